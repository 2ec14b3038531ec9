/* SPDX-License-Identifier: Apache-2.0
 * How far a whole job is and how long it will still take, from the forecast of its phases, from what such phases cost
 * before, and from what this run has shown so far. Pure arithmetic on the times it is given. */
#pragma once
#include "engine/job/costs.h"
#include "engine/job/event.h"

typedef struct _FwEstimate FwEstimate;

/* @costs is borrowed and taught each finished phase; NULL = nothing is known before. Times are seconds of any steady clock
 * that never goes back. Not thread-safe. Free with fw_estimate_free(). */
FwEstimate *fw_estimate_new (FwCosts *costs, double now);
void fw_estimate_free (FwEstimate *estimate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwEstimate, fw_estimate_free)

/* The job's events, as FwJobEvents tells them. */
void fw_estimate_plan (FwEstimate *estimate, const FwJobPhase *phases, guint count, double now);
void fw_estimate_phase (FwEstimate *estimate, guint index, double now);
void fw_estimate_work (FwEstimate *estimate, double done, double now);
/* The job succeeded: the last phase is learned too, and the fraction becomes 1. */
void fw_estimate_finish (FwEstimate *estimate, double now);

/* Seconds until the whole job is done; -1 before anything can be said. */
double fw_estimate_remaining (const FwEstimate *estimate, double now);
/* How much of the job's time has passed, 0 to 1: never falls, and stays below 1 until fw_estimate_finish(). */
double fw_estimate_fraction (FwEstimate *estimate, double now);
/* The phase that runs, or NULL before the first; owned by the estimate. */
const FwJobPhase *fw_estimate_current (const FwEstimate *estimate);
