/* SPDX-License-Identifier: Apache-2.0
 * The model cards that a name can mean: those in the folders where models are registered. */
#pragma once
#include "engine/model/card.h"

/* The model that is used where none is named. */
#define FW_DEFAULT_MODEL "pocket"

/* The folders that hold cards (NAME.json, or NAME/model.json), most important first: models/ in $FRAMEWRIGHT_DATA, in the
 * user's data folder, in the source tree for a program that runs from its build folder, and in the installed data folder.
 * Free with g_strfreev(). */
GStrv fw_model_folders (void);

/* The card of a registered model, or the card at a path: @name is a path if it has a slash or ends in .json. FW_ERROR_INVALID,
 * naming the known models, if there is none of that name. */
FwModelCard *fw_model_card_find (const char *name, GError **error);

/* Paths of all registered cards by the names of their files, each name once, in the order of names. Free with
 * g_ptr_array_unref(). */
GPtrArray *fw_model_cards (void);
