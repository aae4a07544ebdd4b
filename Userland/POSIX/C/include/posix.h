// The assembly of the POSIX library.
#ifndef APUS_POSIX_H
#define APUS_POSIX_H
void apus_signal_restorer(void);
#endif
