#pragma once
// What /proc and the cgroup file systems say of processes. In C because these files are read by the thousand per
// interval and each must cost no more than its system calls.
#include <stddef.h>
#include <stdint.h>

/// Opens /proc/PID as a place to look up files in. It means this very process for as long as it is open: after the
/// process has ended, nothing is found in it, whoever has its number then. -ESRCH when there is none.
int outrider_proc_open(int32_t process);
/// Resident memory, bytes; -ESRCH when the process has ended.
int outrider_proc_resident(int proc_fd, uint64_t *bytes);
/// When the process began, nanoseconds of the boot-time clock, to the clock tick (proc(5), field 22 of stat).
int outrider_proc_began(int proc_fd, uint64_t *nanoseconds);

/// Opens a folder as a place to look up files in.
int outrider_folder_open(const char *path);
/// A file in it that holds one number; -EBADMSG when it holds something else (`max` too).
int outrider_folder_number(int folder_fd, const char *name, uint64_t *value);
/// Numbers of the processes of a control group and of the groups below it (`cgroup.procs`), some perhaps twice: how many
/// there are, of which `capacity` at most are written. -ENOENT when the folder is no control group or is gone.
int outrider_cgroup_processes(int folder_fd, int32_t *processes, size_t capacity);
