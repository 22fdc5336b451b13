/* What the shared library shows. */
#ifndef MALMOI_EXPORT_H_
#define MALMOI_EXPORT_H_

#define MALMOI_EXPORT __attribute__((visibility("default")))

#endif /* MALMOI_EXPORT_H_ */
