/* What a program sees of the world inside ipvm: the same everywhere, every time. */

#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void print_clock(const char *when) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm parts;
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &parts));
    printf("clock %s: %s.%09ldZ\n", when, text, now.tv_nsec);
}

int main(int argc, char **argv) {
    (void)argv;
    print_clock("at first");
    nanosleep(&(struct timespec){.tv_sec = 3600}, NULL);
    print_clock("after an hour of sleep");

    unsigned char bytes[8];
    getentropy(bytes, sizeof bytes);
    printf("random:");
    for (size_t i = 0; i < sizeof bytes; i++) printf(" %02x", bytes[i]);

    int variables = 0;
    while (environ != NULL && environ[variables] != NULL) variables++;
    printf("\nenvironment: %d variables, arguments: %d\n", variables, argc);
    printf("input: %s\n", getchar() == EOF ? "at its end" : "some");
    fflush(stdout);

    if (fopen("/etc/hostname", "r") == NULL) fprintf(stderr, "no files: %s\n", strerror(errno));
    return 0;
}
