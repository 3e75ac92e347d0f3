/* The time that an exported agent takes to act: the fastest of 101 rounds of 10,000 actions, in nanoseconds. */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>

#include "agent.h"

enum { CALLS = 10000, ROUNDS = 101 };

int main(void) {
    float observation[QUARL_OBSERVATION] = {0.05f, 0.05f, 0.05f, 0.05f};
    double fastest = 1e300;
    long actions = 0; /* printed, so that each action has to be computed */
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (int i = 0; i < CALLS; i++) {
            observation[0] = 1e-6f * (float)i;
            actions += quarl_act(observation);
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        double seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
        if (seconds < fastest) fastest = seconds;
    }
    printf("C, exported: %.0f ns (%ld)\n", fastest / CALLS * 1e9, actions);
    return 0;
}
