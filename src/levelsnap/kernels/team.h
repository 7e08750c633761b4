/* How many threads calls have at work, and whether this process was forked. */
#ifndef LEVELSNAP_TEAM_H
#define LEVELSNAP_TEAM_H

/* Sees to it that a forked child knows that it is one; once, at import. */
int ls_team_watch(void);

/* Nonzero in a forked child, whoever forked it. */
int ls_team_forked(void);

/* The threads that a call gets when it would use `threads`: what the calls in flight leave of so
 * many, at least 1, and 1 in a forked child. They are in flight until they are given back. */
int ls_team_take(int threads);
void ls_team_give_back(int threads);

#endif
