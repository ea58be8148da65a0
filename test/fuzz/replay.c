/*
 * Feeds every file of the target's corpus to it, so that what a fuzzer once
 * found stays found without one. The corpus of test/fuzz/fuzz_NAME is
 * $top_srcdir/test/fuzz/corpus/NAME, or the folder named as argument.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"

static bool
replay_file(const char *path)
{
	struct buf b = { 0 };
	uint8_t *exact;
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL) {
		perror(path);
		return false;
	}
	while ((n = fread(buf_reserve(&b, 4096), 1, 4096, f)) > 0)
		b.end += n;
	fclose(f);
	/* No byte more than the input, for sanitizers to see. */
	n = buf_len(&b);
	exact = xmalloc(n);
	if (n > 0)
		memcpy(exact, buf_head(&b), n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	buf_free(&b);
	return true;
}

static char *
default_folder(const char *program)
{
	const char *top = getenv("top_srcdir");
	const char *name = strstr(program, "fuzz_");

	if (name == NULL)
		return NULL;
	while (strstr(name + 1, "fuzz_") != NULL)
		name = strstr(name + 1, "fuzz_");
	return xasprintf("%s/test/fuzz/corpus/%s", top != NULL ? top : ".",
	    name + strlen("fuzz_"));
}

int
main(int argc, char **argv)
{
	char *folder = argc > 1 ? xstrdup(argv[1]) : default_folder(argv[0]);
	DIR *dir = folder != NULL ? opendir(folder) : NULL;
	struct dirent *d;
	int files = 0, failed = 0;

	if (dir == NULL) {
		fprintf(stderr, "no corpus %s\n",
		    folder != NULL ? folder : argv[0]);
		return EXIT_FAILURE;
	}
	while ((d = readdir(dir)) != NULL) {
		char *path;

		if (d->d_name[0] == '.')
			continue;
		path = xasprintf("%s/%s", folder, d->d_name);
		files++;
		failed += !replay_file(path);
		free(path);
	}
	closedir(dir);
	printf("%d inputs of %s\n", files, folder);
	free(folder);
	return files > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
