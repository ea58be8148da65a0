# Files of pooling/.
