-- Which segments of compacted files `frames` shows.
SET VARIABLE segments = CAST($segments AS INTEGER[])
