/* SPDX-License-Identifier: Apache-2.0
 * The engine's error domain. */
#include "engine/memory/error.h"

G_DEFINE_QUARK (fw-error-quark, fw_error)
