/* SPDX-License-Identifier: Apache-2.0
 * Fetching: products ask once for every cache line of the areas added, and evenly from the first product to the last. */
#include <glib.h>

#include "kernels/cpu/fetching.h"

enum { LINES = 4096 };

/* How often each line of @memory was asked for by so many products, and how many of those asked. */
typedef struct {
  const char *memory;
  guint asked[LINES];
  guint streams, before_half;
} Seen;

static void
follow (FwStream stream, Seen *seen)
{
  for (int64_t line = 0; line < stream.lines; line++, stream.from += stream.step) {
    int64_t place = (stream.from - seen->memory) / FW_CACHE_LINE;
    g_assert_cmpint (place, >=, 0);
    g_assert_cmpint (place, <, LINES);
    seen->asked[place]++;
  }
}

static void
follow_products (FwFetching *fetching, guint products, Seen *seen)
{
  for (guint product = 0; product < products; product++) {
    FwStream stream = fw_fetching_next (fetching);
    follow (stream, seen);
    seen->streams += stream.lines > 0;
    seen->before_half += stream.lines > 0 && product < products / 2;
  }
}

/* Every line of the areas once, and beside them nothing but, for each, at most @beside. */
static void
assert_asked (const Seen *seen, const FwArea *area, guint areas, guint beside)
{
  g_autofree guint *wanted = g_new0 (guint, LINES);
  guint others = 0;
  for (guint i = 0; i < areas; i++)
    for (int64_t row = 0; row < area[i].rows; row++)
      for (int64_t byte = 0; byte < area[i].bytes; byte++)
        wanted[(area[i].data - seen->memory + row * area[i].row_bytes + byte) / FW_CACHE_LINE] = 1;
  for (guint line = 0; line < LINES; line++)
    if (wanted[line])
      g_assert_cmpuint (seen->asked[line], ==, 1);
    else
      others += seen->asked[line];
  g_assert_cmpuint (others, <=, beside);
}

static void
test_areas (void)
{
  static _Alignas (FW_CACHE_LINE) const char memory[LINES * FW_CACHE_LINE];
  /* rows apart, as one block, a single row, rows that begin within a line, fewer rows than a stream is long */
  static const FwArea areas[] = {
    { memory, 256, 512, 128 }, { memory + 140000, 100, 200, 200 }, { memory + 170000, 1, 64, 300 }, { memory + 180032 + 36, 7, 1024, 100 },
  };
  static const int64_t lengths[] = { 1, 16, 128, 1000 };
  for (guint l = 0; l < G_N_ELEMENTS (lengths); l++) {
    Seen seen = { memory };
    FwFetching fetching;
    fw_fetching_begin (&fetching, lengths[l], 1500);
    fw_fetching_add (&fetching, memory, -1, 64, 64);
    for (guint i = 0; i < G_N_ELEMENTS (areas); i++)
      fw_fetching_add (&fetching, areas[i].data, areas[i].rows, areas[i].row_bytes, areas[i].bytes);
    fw_fetching_add (&fetching, memory, 0, 64, 64);
    guint streams = (guint) fetching.streams;
    follow_products (&fetching, 1500, &seen);
    g_assert_cmpuint (seen.streams, ==, streams);
    g_assert_cmpuint (seen.before_half, >=, streams / 2);
    g_assert_cmpuint (seen.before_half, <=, streams / 2 + 1);
    assert_asked (&seen, areas, G_N_ELEMENTS (areas), 0);
    g_assert_cmpint (fw_fetching_next (&fetching).lines, ==, 0);
  }
}

/* Rows that begin anywhere within a line: all of their lines, and at most one after each. */
static void
test_odd_rows (void)
{
  static _Alignas (FW_CACHE_LINE) const char memory[LINES * FW_CACHE_LINE];
  static const FwArea area = { memory + 40, 20, 1000, 64 };
  Seen seen = { memory };
  FwFetching fetching;
  fw_fetching_begin (&fetching, 16, 100);
  fw_fetching_add (&fetching, area.data, area.rows, area.row_bytes, area.bytes);
  follow_products (&fetching, 100, &seen);
  assert_asked (&seen, &area, 1, 20);
}

/* With too few products, or none, what is left can be had at once. */
static void
test_too_few_products (void)
{
  static _Alignas (FW_CACHE_LINE) const char memory[LINES * FW_CACHE_LINE];
  static const FwArea area = { memory, 64, 512, 448 };
  for (guint products = 0; products <= 3; products++) {
    Seen seen = { memory };
    FwFetching fetching;
    fw_fetching_begin (&fetching, 16, products);
    fw_fetching_add (&fetching, area.data, area.rows, area.row_bytes, area.bytes);
    follow_products (&fetching, products, &seen);
    g_assert_cmpuint (seen.streams, ==, products);
    FwFetching rest = fetching;
    rest.runs = 0;
    follow_products (&rest, 28 - products, &seen);
    assert_asked (&seen, &area, 1, 0);
    fw_fetching_rest (&fetching);
    g_assert_cmpint (fw_fetching_next (&fetching).lines, ==, 0);
  }
}

/* No area, and more than there is room for. */
static void
test_many_areas (void)
{
  static _Alignas (FW_CACHE_LINE) const char memory[LINES * FW_CACHE_LINE];
  Seen seen = { memory };
  FwFetching fetching;
  fw_fetching_begin (&fetching, 16, 10);
  g_assert_cmpint (fw_fetching_next (&fetching).lines, ==, 0);
  fw_fetching_begin (&fetching, 16, 10);
  for (int area = 0; area <= FW_MAX_AREAS; area++)
    fw_fetching_add (&fetching, memory + area * FW_CACHE_LINE, 1, FW_CACHE_LINE, FW_CACHE_LINE);
  follow_products (&fetching, 20, &seen);
  g_assert_cmpuint (seen.streams, ==, FW_MAX_AREAS);
  g_assert_cmpint (fetching.asked, ==, FW_MAX_AREAS);
}

/* A stream without lines asks for what is near; one with lines stays at the last. */
static void
test_stream (void)
{
  static const char memory[FW_CACHE_LINE * 4], near[FW_CACHE_LINE];
  const FwStream none = { NULL, 0, 0 }, three = { memory, FW_CACHE_LINE, 3 };
  FwStream stream = fw_stream_or (&none, near);
  fw_stream_ask (&stream);
  g_assert_true (stream.from == near);
  stream = fw_stream_or (&three, near);
  for (int line = 0; line < 5; line++) {
    g_assert_true (stream.from == memory + FW_MIN (line, 2) * FW_CACHE_LINE);
    fw_stream_ask (&stream);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fetching/areas", test_areas);
  g_test_add_func ("/fetching/odd-rows", test_odd_rows);
  g_test_add_func ("/fetching/too-few-products", test_too_few_products);
  g_test_add_func ("/fetching/many-areas", test_many_areas);
  g_test_add_func ("/fetching/stream", test_stream);
  return g_test_run ();
}
