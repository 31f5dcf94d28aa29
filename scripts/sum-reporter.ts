// A vitest reporter: names what only passed at its second try, and closes with N passed, N failed, N skipped.

import { appendFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

interface Sum {
  passed: number
  failed: number
  skipped: number
}

/** Names a file that collects the sums of several runs; then nothing is printed here (see .ci/run). */
const SUM_FILE_VARIABLE = 'POLITY_TEST_SUM_FILE'

export default class SumReporter implements Reporter {
  /** Of the last run; while watching there are many. */
  #sum: Sum | undefined
  #secondTries: readonly string[] = []

  onInit(): void {
    // Vitest writes its own summary after onTestRunEnd; only at the exit is a line the last one.
    process.once('exit', () => this.#print())
  }

  onTestRunEnd(testModules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    this.#sum = sumOf(testModules, unhandledErrors.length)
    this.#secondTries = testModules
      .flatMap((testModule) => [...testModule.children.allTests()])
      .filter((test) => test.diagnostic()?.flaky)
      .map(secondTryOf)
  }

  #print(): void {
    if (this.#sum === undefined) return
    for (const secondTry of this.#secondTries) process.stderr.write(`${secondTry}\n`)
    const line = `${this.#sum.passed} passed, ${this.#sum.failed} failed, ${this.#sum.skipped} skipped\n`
    const file = process.env[SUM_FILE_VARIABLE]
    if (file !== undefined && file !== '') appendFileSync(file, line)
    else process.stdout.write(line)
  }
}

const secondTryOf = (test: TestCase): string =>
  [
    `PASSED ONLY AT THE SECOND TRY: ${test.module.relativeModuleId} > ${test.fullName}`,
    ...(test.result().errors ?? []).map(({ stack, message }) => stack ?? message),
  ].join('\n')

/** Counts tests, and as failed also what broke outside of any test: a file that does not load, a stray error. */
function sumOf(testModules: readonly TestModule[], strayErrors: number): Sum {
  const sum: Sum = { passed: 0, failed: strayErrors, skipped: 0 }
  for (const testModule of testModules) {
    for (const test of testModule.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed' || state === 'failed') sum[state] += 1
      else sum.skipped += 1
    }
    for (const suite of [testModule, ...testModule.children.allSuites()]) sum.failed += suite.errors().length
  }
  return sum
}
