/* Takes the power from an ext4 file system: what it has not yet written to its device is gone (EXT4_IOC_SHUTDOWN, no flush of the log). */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(int count, char **arguments) {
  uint32_t no_flush = 2;
  int fd = count == 2 ? open(arguments[1], O_RDONLY) : -1;
  if (fd >= 0 && ioctl(fd, _IOR('X', 125, uint32_t), &no_flush) == 0) return 0;
  perror("power-off");
  return 1;
}
