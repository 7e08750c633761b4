/* How many threads calls have at work, and whether this process was forked. */
#ifndef LEVELSNAP_TEAM_H
#define LEVELSNAP_TEAM_H

/* Once, at import: there are so many CPUs, and this process is known to be a forked one or not. Later
 * forks are noticed. Nonzero: no memory. */
int ls_team_start(int cpus, int forked);

/* Nonzero in a forked child, whoever forked it. */
int ls_team_forked(void);

/* The threads that a call gets when it would use `threads`: all if it is alone, else of what the calls
 * in flight leave of the CPUs, but at least 1; 1 in a forked child. They count as in flight until they
 * are given back. */
int ls_team_take(int threads);
void ls_team_give_back(int threads);

/* At the end of a thread's part of a parallel loop: waits some tens of microseconds for the others
 * to arrive there, if all parts have a thread of their own. OpenMP's threads would soon sleep, and are
 * slow to wake. `arrived` is 0 at first. */
void ls_team_meet(long *arrived, int parts);

#endif
