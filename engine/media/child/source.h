/* SPDX-License-Identifier: Apache-2.0
 * Which containers and codecs are read, and by which elements. */
#pragma once
#include <gst/gst.h>

typedef struct {
  const char *name;
  guint offset, length;             /* of the mark at the start of the file */
  const char *mark;
  const char *demuxer;              /* NULL: the file is one picture of @codec */
  const char *codec;
  const char *codecs;               /* names that may be inside, separated by spaces */
} SourceContainer;

typedef struct {
  const char *name, *caps;          /* what the demuxer announces */
  const char *parser;               /* or NULL */
  const char *decoders;             /* the first one installed is used */
} SourceCodec;

/* The container of a file that begins with @bytes, or NULL where it is none of ours: the name of the file never matters. */
const SourceContainer *source_container (const guint8 *bytes, gsize size);

/* The codec of what a demuxer's pad announces, or NULL. */
const SourceCodec *source_codec_of_caps (const GstCaps *caps);
const SourceCodec *source_codec_by_name (const char *name);

/* The decoder's element, or NULL where none is installed. */
char *source_decoder (const SourceCodec *codec);

/* Loads every plugin that reading @container may need, decoders only on wish, since nothing can be loaded inside the sandbox. */
void source_load_plugins (const SourceContainer *container, gboolean decoding);
