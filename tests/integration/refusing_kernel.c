// Runs a program on a kernel that refuses calls, as old kernels (ENOSYS) and containers' profiles
// (EPERM) do. Used by test_platform.py.
//
// refusing_kernel ERRNO NUMBER... -- PROGRAM ARGUMENT...: each NUMBER is a system call of this
// machine; the program and all that it starts get ERRNO from it.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char** argv) {
  struct sock_filter filter[1024];
  unsigned short used = 0;
  const int error = atoi(argv[1]);
  int at = 2;
  filter[used++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (; at < argc && strcmp(argv[at], "--") != 0 && used < 1020; ++at) {
    filter[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(argv[at]), 0, 1);
    filter[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
  }
  filter[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const struct sock_fprog program = {used, filter};
  if (at + 1 >= argc || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    perror("refusing_kernel");
    return 99;
  }
  execv(argv[at + 1], &argv[at + 1]);
  perror(argv[at + 1]);
  return 99;
}
