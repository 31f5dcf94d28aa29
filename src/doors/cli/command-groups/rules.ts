// Commands: the rules of the gate.

import type { CommandGroup } from '../command.ts'
import {
  ANCHOR,
  DAYS_MAX,
  FROM,
  HISTORY,
  RULES,
  TO,
  VKEY,
  WATCH_MAX_SECONDS,
  whole,
} from '../command-options.ts'

export const rulesCommands: CommandGroup = {
  title: 'Rules:',
  commands: [
    {
      name: 'gate',
      summary: 'The rules of the gate: load, rules, mode, graduation; test, check; explain, replay, what-if.',
      commands: [
        {
          name: 'test',
          args: [{ name: '<file...>', help: 'unit tests of rules, in YAML' }],
          summary: 'Runs unit tests of rules; exits with 1 if a case fails.',
          options: [RULES],
          load: () => import('../commands/gate-test.ts'),
        },
        {
          name: 'check',
          summary: 'Finds what is certainly wrong with rules; exits with 1 on an error.',
          options: [RULES],
          load: () => import('../commands/gate-check.ts'),
        },
        {
          name: 'replay',
          args: [HISTORY],
          summary:
            'Judges every decision again from what was stored; exits with 5 at the first that does not agree.',
          options: [FROM, TO, VKEY, ANCHOR],
          load: () => import('../commands/gate-replay.ts'),
        },
        {
          name: 'what-if',
          args: [{ name: '<rules>', help: 'folder with other rules' }, HISTORY],
          summary: 'Which decisions would have come out otherwise under other rules.',
          options: [FROM, TO, VKEY, ANCHOR],
          load: () => import('../commands/gate-what-if.ts'),
        },
        {
          name: 'load',
          args: [{ name: '<dir>', help: 'folder of the bundle: one .cedarschema and any number of .cedar' }],
          summary:
            'Checks a policy bundle, rehearses it on past decisions, puts it in force, watches, and takes it back if it does harm.',
          options: [
            { flags: '--rehearse', help: 'check and rehearse it only; nothing changes' },
            {
              flags: '--watch <seconds>',
              help: 'for how long it is watched (default: 0, one look)',
              parse: whole('--watch', 0, WATCH_MAX_SECONDS),
            },
            {
              flags: '--denied-share-max <percent>',
              help: 'take it back when a larger share of actions is denied (default: 50)',
              parse: whole('--denied-share-max', 0, 100),
            },
            {
              flags: '--accept-lock-out',
              help: 'load it although it would keep you from loading another one',
            },
          ],
          load: () => import('../commands/gate-load.ts'),
        },
        {
          name: 'mode',
          args: [
            {
              name: '[mode]',
              help: 'log-only, enforce-critical or enforce; without any option: of the hub',
            },
          ],
          summary: 'Shows how far the rules bind, or changes it: one thing at a time.',
          options: [
            { flags: '--action <prefix>', help: 'of these actions only, such as state or state.put' },
            { flags: '--policy <id=state>', help: 'a policy, as draft, shadow or enforced' },
            {
              flags: '--share <percent>',
              help: 'bind the rules for this share only; who is in it stays in it as it grows',
              parse: whole('--share', 0, 100),
            },
            {
              flags: '--by <what>',
              help: 'what is chosen for the share (default: principal)',
              choices: ['principal', 'request'],
            },
            { flags: '--seed <text>', help: 'choose others for the share' },
            {
              flags: '--remove',
              help: 'take back what was said of --action, of --policy ID, or (with neither) of the share',
            },
            { flags: '--reason <text>', help: 'why, for the log' },
          ],
          load: () => import('../commands/gate-mode.ts'),
        },
        {
          name: 'graduation',
          summary:
            'Shows what the rules would have stopped and let pass: by policy, principal, action and day.',
          options: [
            {
              flags: '--days <n>',
              help: 'how many days back (default: 7)',
              parse: whole('--days', 1, DAYS_MAX),
            },
          ],
          load: () => import('../commands/gate-graduation.ts'),
        },
      ],
    },
  ],
}
