/* SPDX-License-Identifier: Apache-2.0
 * The command line's option tables: every type takes what it should, and names what it refuses in one sentence. */
#include "app/cli/options.h"

#include <string.h>

typedef struct {
  char *text, *choice;
  GStrv texts, words;
  gint64 integer, bytes;
  double number;
  FwOptionSize size;
  gboolean flag;
} Values;

#define AT(field) G_STRUCT_OFFSET (Values, field)

static const FwOption options[] = {
  { "text", FW_OPTION_TEXT, AT (text), "TEXT", 0, 0, NULL, "a text" },
  { "texts", FW_OPTION_TEXTS, AT (texts), "TEXT", 0, 0, NULL, "texts" },
  { "choice", FW_OPTION_CHOICE, AT (choice), "red|green", 0, 0, "red", "a colour" },
  { "integer", FW_OPTION_INTEGER, AT (integer), "N", 1, 9007199254740991.0, NULL, "a whole number" },
  { "number", FW_OPTION_NUMBER, AT (number), "X", 0, 100, NULL, "a number" },
  { "size", FW_OPTION_SIZE, AT (size), "WxH", 16, 8192, NULL, "a size" },
  { "bytes", FW_OPTION_BYTES, AT (bytes), "BYTES", 1024, 1e15, NULL, "an amount" },
  { "flag", FW_OPTION_FLAG, AT (flag), NULL, 0, 0, NULL, "a flag" },
  { NULL },
};

static const Values defaults = { .integer = 7, .number = 0.5 };

static const FwCommand command = {
  .name = "try", .arguments = "WORD", .summary = "Tries.", .options = options, .values_size = sizeof (Values),
  .defaults = &defaults, .positionals_offset = AT (words), .positionals_minimum = 1, .positionals_maximum = 2,
};

static Values *
parse (const char *line, GError **error)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  return fw_options_parse (&command, words, error);
}

static void
test_taken (void)
{
  g_autoptr (GError) error = NULL;
  Values *values = parse ("one --text=a=b --text later --texts x --texts y --choice green --integer 9007199254740991 --number 1e-2 "
                          "--size 64x128 --bytes 1.5K --flag -- --two", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (values->text, ==, "later");
  g_assert_cmpstr (values->texts[0], ==, "x");
  g_assert_cmpstr (values->texts[1], ==, "y");
  g_assert_null (values->texts[2]);
  g_assert_cmpstr (values->choice, ==, "green");
  g_assert_cmpint (values->integer, ==, G_GINT64_CONSTANT (9007199254740991));
  g_assert_cmpfloat (values->number, ==, 0.01);
  g_assert_cmpint (values->size.width, ==, 64);
  g_assert_cmpint (values->size.height, ==, 128);
  g_assert_cmpint (values->bytes, ==, 1536);
  g_assert_true (values->flag);
  g_assert_cmpstr (values->words[0], ==, "one");
  g_assert_cmpstr (values->words[1], ==, "--two");
  fw_options_free (&command, values);
}

static void
test_defaults (void)
{
  g_autoptr (GError) error = NULL;
  Values *values = parse ("one", &error);
  g_assert_no_error (error);
  g_assert_cmpint (values->integer, ==, 7);
  g_assert_cmpfloat (values->number, ==, 0.5);
  g_assert_null (values->text);
  g_assert_false (values->flag);
  fw_options_free (&command, values);
}

static void
test_refused (void)
{
  static const struct { const char *line, *says; } cases[] = {
    { "--flag", "too few" },
    { "one two three", "unexpected" },
    { "one --unknown", "unknown option" },
    { "one -x", "unknown option" },
    { "one --fla", "unknown option" },
    { "one --flag=yes", "takes no value" },
    { "one --text", "needs a value" },
    { "one --text=", "empty" },
    { "one --text=\xff", "UTF-8" },
    { "one --choice blue", "one of red, green" },
    { "one --integer 0", "whole number from 1" },
    { "one --integer -5", "whole number" },
    { "one --integer 5x", "whole number" },
    { "one --integer 1e3", "whole number" },
    { "one --integer 9007199254740992", "whole number" },
    { "one --integer 99999999999999999999999999", "whole number" },
    { "one --number nan", "number from 0 to 100" },
    { "one --number 0x10", "number from 0 to 100" },
    { "one --bytes 0x10M", "bytes" },
    { "one --number inf", "number from 0 to 100" },
    { "one --number -1", "number from 0 to 100" },
    { "one --number 1,5", "number from 0 to 100" },
    { "one --number=", "number from 0 to 100" },
    { "one --size 64", "WIDTHxHEIGHT" },
    { "one --size 63x64", "even" },
    { "one --size 0x0", "WIDTHxHEIGHT" },
    { "one --size 64x64x64", "WIDTHxHEIGHT" },
    { "one --size -64x64", "WIDTHxHEIGHT" },
    { "one --size 99999999999x64", "WIDTHxHEIGHT" },
    { "one --bytes 1", "bytes" },
    { "one --bytes 5Q", "bytes" },
    { "one --bytes nan", "bytes" },
    { "one --bytes -5G", "bytes" },
    { "one --bytes 1e300T", "bytes" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (parse (cases[i].line, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
    if (strstr (error->message, cases[i].says) == NULL)
      g_error ("“%s”: “%s” does not say “%s”", cases[i].line, error->message, cases[i].says);
    g_assert_null (strchr (error->message, '\n'));
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  }
}

static void
test_help (void)
{
  g_autofree char *help = fw_options_help (&command);
  for (const FwOption *option = options; option->name != NULL; option++)
    g_assert_nonnull (strstr (help, option->name));
  g_assert_nonnull (strstr (help, "a number, 0 to 100"));
  g_assert_nonnull (strstr (help, "[red]"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/options/taken", test_taken);
  g_test_add_func ("/options/defaults", test_defaults);
  g_test_add_func ("/options/refused", test_refused);
  g_test_add_func ("/options/help", test_help);
  return g_test_run ();
}
