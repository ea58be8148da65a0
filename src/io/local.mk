# Files of io/.
