"""The command `plan`: which images are not published yet, asked once, so that no job starts where nothing is to do."""
