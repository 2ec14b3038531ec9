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

/* The card of a registered model, or the card at a path: @name is a path if it has a slash or ends in .json, or if no model is
 * registered by it and there is such a file. Errors: INVALID, naming the known models, if there is none of that name; FORMAT for a
 * file or folder that is no model, with what it is instead; those of the card. */
FwModelCard *fw_model_card_find (const char *name, GError **error);
/* What names the same model in any working folder: @name if a model is registered by it, else the absolute path; NULL if there is
 * neither. Free with g_free(). */
char *fw_model_reference (const char *name);

/* Paths of all registered cards by the names of their files, each name once, in the order of names. Free with
 * g_ptr_array_unref(). */
GPtrArray *fw_model_cards (void);

/* Registers the model at @path, a card or a folder with model.json, under the name that its card states, by a link in the first of
 * fw_model_folders(); the model stays where it lies. Its networks are opened, its digests not compared. Returns the card. Errors:
 * those of the card and of the networks; FORMAT for what is no model, with what it is instead; INVALID if there is a model of
 * that name. */
FwModelCard *fw_model_card_register (const char *path, GError **error);
/* Removes the link, never a model. FW_ERROR_INVALID if there is no model @name, or it is there without a link. */
gboolean fw_model_card_unregister (const char *name, GError **error);
