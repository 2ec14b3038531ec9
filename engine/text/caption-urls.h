/* SPDX-License-Identifier: Apache-2.0
 * The part of caption cleaning that removes web addresses. */
#pragma once
#include <gio/gio.h>

/* Removes, wherever a word begins or ends: the head of an address, which is a scheme of @schemes (NULL-ended, each with its
 * colon) and up to three slashes or one letter, digit or '%'; or a host name under one of eight top domains with the path behind
 * it, unless an '@' follows. Linear in the length. */
void fw_caption_remove_urls (GString *caption, const char *const *schemes);
