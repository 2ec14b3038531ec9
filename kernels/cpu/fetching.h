/* SPDX-License-Identifier: Apache-2.0
 * What is wanted next is asked for while products are computed: areas of memory are cut into streams of cache lines, and
 * microkernels ask for one line of a stream with each unit of depth. Many requests at once would fill the processor's queue of
 * misses and hold up the products. */
#pragma once
#include "kernels/cpu/isa.h"

enum { FW_MAX_AREAS = 6, FW_CACHE_LINE = 64 };

/* Lines to ask for, @step bytes apart. */
typedef struct {
  const char *from;
  int64_t step, lines;
} FwStream;

/* Rows of memory, @bytes of each, @row_bytes apart. */
typedef struct {
  const char *data;
  int64_t rows, row_bytes, bytes;
} FwArea;

/* The areas still to be asked for, and how far that has come. */
typedef struct {
  FwArea area[FW_MAX_AREAS];
  int areas, current;
  int64_t row, column;  /* where the next stream begins in the current area: a row, and a line of it */
  int64_t length;       /* lines of a stream */
  int64_t streams, asked;
  int64_t runs, run;    /* products that streams are spread over, and those done */
} FwFetching;

/* Begins with nothing; streams of @length lines, the units of depth of one product, are to be asked for during @runs products. */
static inline void
fw_fetching_begin (FwFetching *fetching, int64_t length, int64_t runs)
{
  *fetching = (FwFetching) { .length = FW_MAX (1, length), .runs = runs };
}

/* Adds @rows rows of @bytes, @row_bytes apart, from @data on, of which the first FW_MAX_AREAS are kept that are not empty. Where
 * rows begin anywhere within a line, the line after a row may be asked for too. */
static inline void
fw_fetching_add (FwFetching *fetching, const void *data, int64_t rows, int64_t row_bytes, int64_t bytes)
{
  if (rows <= 0 || bytes <= 0 || fetching->areas == FW_MAX_AREAS)
    return;
  FwArea *area = &fetching->area[fetching->areas++];
  int64_t before = (int64_t) ((uintptr_t) data % FW_CACHE_LINE);
  const char *first_line = (const char *) data - before;
  if (row_bytes == bytes)
    *area = (FwArea) { first_line, fw_ceil_div (rows * bytes + before, FW_CACHE_LINE), FW_CACHE_LINE, FW_CACHE_LINE };
  else if (row_bytes % FW_CACHE_LINE == 0)
    *area = (FwArea) { first_line, rows, row_bytes, bytes + before };
  else
    *area = (FwArea) { data, rows, row_bytes, bytes + FW_CACHE_LINE - 1 };
  fetching->streams += fw_ceil_div (area->bytes, FW_CACHE_LINE) * fw_ceil_div (area->rows, fetching->length);
}

/* What is to be asked for during the next product: no line where that would be early, or nothing is left. */
static inline FwStream
fw_fetching_next (FwFetching *fetching)
{
  FwStream stream = { NULL, 0, 0 };
  bool early = fetching->asked * fetching->runs > fetching->run * fetching->streams;
  fetching->run++;
  if (early || fetching->asked == fetching->streams)
    return stream;
  const FwArea *area = &fetching->area[fetching->current];
  stream = (FwStream) { area->data + fetching->row * area->row_bytes + fetching->column * FW_CACHE_LINE, area->row_bytes,
                        FW_MIN (fetching->length, area->rows - fetching->row) };
  fetching->asked++;
  fetching->row += fetching->length;
  if (fetching->row >= area->rows) {
    fetching->row = 0;
    fetching->column++;
  }
  if (fetching->column * FW_CACHE_LINE >= area->bytes) {
    fetching->column = 0;
    fetching->current++;
  }
  return stream;
}

/* All lines of @stream, for microkernels that do not ask. The empty assembly keeps compilers from thinking that a function which does
 * nothing else can be left out. */
static inline void
fw_stream_ask_all (const FwStream *stream)
{
  for (int64_t line = 0; line < stream->lines; line++)
    __builtin_prefetch (stream->from + line * stream->step, 0, 2);
  __asm__ volatile ("");
}

/* Asks for what products were too few for. */
static inline void
fw_fetching_rest (FwFetching *fetching)
{
  while (fetching->asked < fetching->streams) {
    FwStream stream = fw_fetching_next (fetching);
    fw_stream_ask_all (&stream);
  }
}

/* @stream, or where that is empty one that asks for the line at @near alone, which is there already. */
static FW_ALWAYS_INLINE FwStream
fw_stream_or (const FwStream *stream, const char *near)
{
  return stream->lines > 0 ? *stream : (FwStream) { near, 0, 1 };
}

/* The next line of @stream; at its end the last one again, which costs nothing. */
static FW_ALWAYS_INLINE void
fw_stream_ask (FwStream *stream)
{
  __builtin_prefetch (stream->from, 0, 2);
  stream->from += --stream->lines > 0 ? stream->step : 0;
}
