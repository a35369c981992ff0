"""How does a teacher's size or its training harm a student, on a task of copying and matching?"""
