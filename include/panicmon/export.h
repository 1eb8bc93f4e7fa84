/** @file export.h
 * What every public header needs: visibility and C++ linkage.
 */
#ifndef PANICMON_EXPORT_H
#define PANICMON_EXPORT_H

#include <stddef.h>
#include <stdint.h>

/* Marks a function as part of the ABI. All other symbols of the library are hidden. */
#if defined(__GNUC__) || defined(__clang__)
#define PANICMON_API __attribute__((visibility("default")))
#else
#define PANICMON_API
#endif

#ifdef __cplusplus
#define PANICMON_BEGIN_DECLS extern "C" {
#define PANICMON_END_DECLS   }
#else
#define PANICMON_BEGIN_DECLS
#define PANICMON_END_DECLS
#endif

#endif
