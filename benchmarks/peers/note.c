/* The study note's DQN for CartPole-v0 in plain C, slow and obvious, written from the algorithm alone: an oracle for learning
 * curves. It shares no code and no random stream with quarl or PyTorch, and trains many runs in minutes.
 *
 *     cc -O3 -march=native -ffast-math -o note note.c -lm
 *     ./note 200 > curves.csv      200 runs: rows of run,episode,return; the run is its seed
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 4, UNITS = 128, ACTIONS = 2, BATCH = 32, CAPACITY = 10000, EPISODES = 300, TIME_LIMIT = 200, SYNC = 20 };
static const float GAMMA = 0.98f, EPSILON = 0.1f, LEARNING_RATE = 0.0005f;

/* Where each layer starts in the vector of parameters. Weights of hidden layers are stored [input][unit], of the last [action][unit]. */
enum {
    W1 = 0,
    B1 = W1 + INPUTS * UNITS,
    W2 = B1 + UNITS,
    B2 = W2 + UNITS * UNITS,
    W3 = B2 + UNITS,
    B3 = W3 + ACTIONS * UNITS,
    PARAMETERS = B3 + ACTIONS
};

typedef struct {
    float observation[INPUTS], next_observation[INPUTS], reward;
    int action, done;
} Transition;

typedef struct {
    float hidden1[UNITS], hidden2[UNITS], q[ACTIONS];
} Activations;

static float online[PARAMETERS], target[PARAMETERS], gradient[PARAMETERS], moment1[PARAMETERS], moment2[PARAMETERS];
static Transition replay[CAPACITY];
static int stored, oldest, updates;
static uint64_t state;

/* SplitMix64 */
static uint64_t random_bits(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static double uniform(void) { return (random_bits() >> 11) * 0x1p-53; }

/* PyTorch's initialisation: uniform within 1 / sqrt(inputs of the layer), biases too. */
static void initialise(float *network) {
    for (int i = 0; i < PARAMETERS; i++)
        network[i] = (float)((2 * uniform() - 1) / sqrt(i < W2 ? INPUTS : UNITS));
}

static float relu(float x) { return x > 0 ? x : 0; }

static void forward(const float *network, const float *observation, Activations *at) {
    for (int j = 0; j < UNITS; j++) at->hidden1[j] = network[B1 + j];
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < UNITS; j++) at->hidden1[j] += observation[i] * network[W1 + i * UNITS + j];
    for (int j = 0; j < UNITS; j++) at->hidden1[j] = relu(at->hidden1[j]);
    for (int j = 0; j < UNITS; j++) at->hidden2[j] = network[B2 + j];
    for (int i = 0; i < UNITS; i++)
        for (int j = 0; j < UNITS; j++) at->hidden2[j] += at->hidden1[i] * network[W2 + i * UNITS + j];
    for (int j = 0; j < UNITS; j++) at->hidden2[j] = relu(at->hidden2[j]);
    for (int a = 0; a < ACTIONS; a++) {
        at->q[a] = network[B3 + a];
        for (int j = 0; j < UNITS; j++) at->q[a] += at->hidden2[j] * network[W3 + a * UNITS + j];
    }
}

/* Adds the gradient of (Q(s, a) - y)^2 / BATCH. */
static void backward(const float *observation, const Activations *at, int action, float y) {
    float d_q = 2 * (at->q[action] - y) / BATCH, d2[UNITS];
    gradient[B3 + action] += d_q;
    for (int j = 0; j < UNITS; j++) {
        gradient[W3 + action * UNITS + j] += d_q * at->hidden2[j];
        d2[j] = at->hidden2[j] > 0 ? d_q * online[W3 + action * UNITS + j] : 0;
        gradient[B2 + j] += d2[j];
    }
    for (int i = 0; i < UNITS; i++) {
        float d1 = 0;
        for (int j = 0; j < UNITS; j++) {
            gradient[W2 + i * UNITS + j] += at->hidden1[i] * d2[j];
            d1 += d2[j] * online[W2 + i * UNITS + j];
        }
        if (at->hidden1[i] <= 0) continue;
        gradient[B1 + i] += d1;
        for (int input = 0; input < INPUTS; input++) gradient[W1 + input * UNITS + i] += d1 * observation[input];
    }
}

static void adam(void) {
    updates++;
    float step = LEARNING_RATE / (float)(1 - pow(0.9, updates));
    float correction = 1 / (float)sqrt(1 - pow(0.999, updates));
    for (int i = 0; i < PARAMETERS; i++) {
        moment1[i] = 0.9f * moment1[i] + 0.1f * gradient[i];
        moment2[i] = 0.999f * moment2[i] + 0.001f * gradient[i] * gradient[i];
        online[i] -= step * moment1[i] / (sqrtf(moment2[i]) * correction + 1e-8f);
    }
}

static void learn(void) {
    if (stored < BATCH) return;
    int batch[BATCH];
    memset(gradient, 0, sizeof gradient);
    for (int b = 0; b < BATCH; b++) {
        int is_new;
        do {
            batch[b] = (int)(random_bits() % (uint64_t)stored);
            is_new = 1;
            for (int other = 0; other < b; other++) is_new &= batch[other] != batch[b];
        } while (!is_new);
        const Transition *transition = &replay[batch[b]];
        Activations now, next;
        forward(online, transition->observation, &now);
        forward(target, transition->next_observation, &next);
        float bootstrap = fmaxf(next.q[0], next.q[1]);
        backward(transition->observation, &now, transition->action, transition->reward + (transition->done ? 0 : GAMMA * bootstrap));
    }
    adam();
}

static int act(const float *observation) {
    if (uniform() < EPSILON) return random_bits() & 1;
    Activations at;
    forward(online, observation, &at);
    return at.q[1] > at.q[0];
}

/* One step of CartPole as Gymnasium computes it; whether the pole has fallen or the cart has left the track. */
static int step(double *x, int action) {
    double force = action ? 10 : -10, cosine = cos(x[2]), sine = sin(x[2]);
    double common = (force + 0.05 * x[3] * x[3] * sine) / 1.1;
    double angular = (9.8 * sine - cosine * common) / (0.5 * (4.0 / 3 - 0.1 * cosine * cosine / 1.1));
    double linear = common - 0.05 * angular * cosine / 1.1;
    x[0] += 0.02 * x[1];
    x[1] += 0.02 * linear;
    x[2] += 0.02 * x[3];
    x[3] += 0.02 * angular;
    return fabs(x[0]) > 2.4 || fabs(x[2]) > 12 * 2 * acos(-1) / 360;
}

static void observe(const double *x, float *observation) {
    for (int i = 0; i < INPUTS; i++) observation[i] = (float)x[i];
}

static int episode(void) {
    double x[INPUTS];
    for (int i = 0; i < INPUTS; i++) x[i] = 0.1 * uniform() - 0.05;
    int length = 0, done = 0;
    while (!done) {
        Transition *transition = &replay[oldest];
        observe(x, transition->observation);
        transition->action = act(transition->observation);
        int fallen = step(x, transition->action);
        done = ++length == TIME_LIMIT || fallen; /* the note treats the time limit as termination */
        observe(x, transition->next_observation);
        transition->reward = 1;
        transition->done = done;
        oldest = (oldest + 1) % CAPACITY;
        if (stored < CAPACITY) stored++;
        learn();
    }
    return length;
}

int main(int count, char **arguments) {
    int runs = count == 2 ? atoi(arguments[1]) : 0;
    if (runs < 1) return fprintf(stderr, "usage: note RUNS\n"), 2;
    puts("run,episode,return");
    for (int run = 0; run < runs; run++) {
        state = (uint64_t)run;
        initialise(online);
        initialise(target); /* on its own: until the first sync the two networks differ */
        memset(moment1, 0, sizeof moment1);
        memset(moment2, 0, sizeof moment2);
        stored = oldest = updates = 0;
        for (int i = 0; i < EPISODES; i++) {
            printf("%d,%d,%d\n", run, i, episode());
            if (i % SYNC == 0) memcpy(target, online, sizeof target);
        }
        fflush(stdout);
    }
}
