/* SPDX-License-Identifier: Apache-2.0
 * The sha256 of weight files for recipes, remembered so that a large file is read once and not for every clip. */
#pragma once
#include "engine/memory/error.h"

/* 64 lower-case hexadecimal digits for the regular file @path, or NULL. The cache in the user's cache folder is believed
 * while path, size, inode and the times of modification and of change are the same; that it cannot be read or written is no
 * error. Any thread. Free with g_free(). */
char *fw_sha256_file (const char *path, GCancellable *cancellable, GError **error);
/* The same from the bytes as they are now, whatever the cache says, which then knows it. */
char *fw_sha256_file_afresh (const char *path, GCancellable *cancellable, GError **error);
/* How many bytes fw_sha256_file() would have to read: 0 where the cache knows the digest, or there is no such file. */
gint64 fw_sha256_work (const char *path);
