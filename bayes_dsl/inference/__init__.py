"""What do we believe, given the runs?"""
