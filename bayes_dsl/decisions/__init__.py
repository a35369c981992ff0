"""What should we do?"""
