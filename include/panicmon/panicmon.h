/** @file panicmon.h
 * Everything.
 */
#ifndef PANICMON_PANICMON_H
#define PANICMON_PANICMON_H

#include <panicmon/error.h>
#include <panicmon/export.h>
#include <panicmon/log.h>
#include <panicmon/manager.h>
#include <panicmon/monitor.h>
#include <panicmon/registry.h>
#include <panicmon/runtime.h>
#include <panicmon/settings.h>
#include <panicmon/sink.h>
#include <panicmon/starter.h>
#include <panicmon/strategy.h>
#include <panicmon/substrate.h>
#include <panicmon/version.h>

#endif
