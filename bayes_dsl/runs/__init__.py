"""What was trained?"""
