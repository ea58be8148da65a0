# Files of base/.
