"""What will the next run reach?"""
