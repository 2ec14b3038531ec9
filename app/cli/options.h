/* SPDX-License-Identifier: Apache-2.0
 * Declarative options of the command line: one table a command drives parsing, checking and --help. */
#pragma once
#include "engine/memory/error.h"

typedef enum {
  FW_OPTION_FLAG,           /* gboolean; takes no value */
  FW_OPTION_TEXT,           /* char *; valid UTF-8, not empty */
  FW_OPTION_TEXTS,          /* char **; may be given several times */
  FW_OPTION_CHOICE,         /* char *; one of the words of @values, parted by "|" */
  FW_OPTION_INTEGER,        /* gint64 in [minimum, maximum] */
  FW_OPTION_NUMBER,         /* double in [minimum, maximum], finite */
  FW_OPTION_SIZE,           /* FwOptionSize; "WxH", both even and in [minimum, maximum] */
  FW_OPTION_BYTES           /* gint64; a number with K, M or G (powers of 1024), in [minimum, maximum] */
} FwOptionType;

typedef struct {
  int width, height;
} FwOptionSize;

/* One option; a table ends with a NULL name. An option that is not given leaves what @defaults of its command holds. */
typedef struct {
  const char *name;         /* without the dashes */
  FwOptionType type;
  gsize offset;             /* of the value in the command's struct */
  const char *values;       /* what stands for the value in --help, and the words of a CHOICE */
  double minimum, maximum;
  const char *fallback;     /* how --help tells the default; NULL = none */
  const char *help;
} FwOption;

/* One program command. run() gets the parsed struct, returns the exit code. */
typedef struct {
  const char *name;
  const char *arguments;    /* the usage line after the name */
  const char *summary;
  const FwOption *options;
  gsize values_size;        /* of the struct the offsets point into */
  const void *defaults;     /* its starting content, without owned text; NULL = zeros */
  gsize positionals_offset; /* of a char ** in the struct that takes the words that are no options */
  guint positionals_minimum, positionals_maximum;
  void (*explain) (GString *help); /* adds what --help says behind the options; NULL = nothing */
  int (*run) (gpointer values);
} FwCommand;

/* Fills a new struct of @command->values_size from the words after the command's name; NULL with FW_ERROR_INVALID and one
 * sentence for anything unknown, incomplete or out of range. Free with fw_options_free(). */
gpointer fw_options_parse (const FwCommand *command, char **words, GError **error);
void fw_options_free (const FwCommand *command, gpointer values);
/* The text of --help; free with g_free(). */
char *fw_options_help (const FwCommand *command);
