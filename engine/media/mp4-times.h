/* SPDX-License-Identifier: Apache-2.0
 * Makes MP4 files reproducible: the muxer writes when a file was made into three boxes, so that the same clip made twice would
 * be two different files. */
#pragma once
#include <glib.h>

/* Sets the times of creation and modification in the MP4 behind the descriptor @fd to the format's "not known", 0; its
 * offset stays. What is no MP4 is left as it is. FALSE with errno set where reading or writing fails. */
gboolean fw_mp4_clear_times (int fd);
