// Which tests run where: everything that needs no browser by default, the browser tests with --mode e2e.

import process from 'node:process'
import { configDefaults, defineConfig } from 'vitest/config'

const TEST_TIMEOUT_MS = 60_000
/** How long `expect.poll` looks again: a machine under load is slow, and no figure of ours. */
const POLL_TIMEOUT_MS = 30_000

/** Set by .ci/run. What passes only then is named with the fault of its first try (scripts/sum-reporter.ts). */
const isTriedTwice = process.env.POLITY_TEST_SECOND_TRY === 'yes'

const BROWSER = ['test/e2e/**/*.test.ts']
const EVERYTHING_ELSE = ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'test/**/*.test.ts', 'web/**/*.test.ts']

export default defineConfig(({ mode }) => ({
  test: {
    include: mode === 'e2e' ? BROWSER : EVERYTHING_ELSE,
    exclude: [...configDefaults.exclude, '{src,test}/**/fixtures/**', ...(mode === 'e2e' ? [] : BROWSER)],
    // A process per file: worker threads, node:sqlite and signals behave as they do in the program.
    pool: 'forks',
    maxWorkers: '100%',
    testTimeout: TEST_TIMEOUT_MS,
    hookTimeout: TEST_TIMEOUT_MS,
    retry: isTriedTwice ? 1 : 0,
    expect: { poll: { timeout: POLL_TIMEOUT_MS } },
    reporters: ['default', './scripts/sum-reporter.ts'],
  },
}))
