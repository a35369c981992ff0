"""What loss should a run have?"""
