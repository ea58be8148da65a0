# Files of control/.
