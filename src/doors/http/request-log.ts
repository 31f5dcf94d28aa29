// One structured line per request on stderr: what, how it ended and how long it took; no tokens, paths or bodies.

import process from 'node:process'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

export interface RequestLine {
  readonly method: string
  /** The pattern of the route, not the path: paths hold keys and names. */
  readonly route: string
  readonly status: number
  readonly durationMs: number
  readonly trace: string
  /** Address of the client, as far as it can be trusted (client-address.ts). */
  readonly client: string
  /** The error code it was answered with. */
  readonly error?: string
}

export interface RequestLog {
  request(line: RequestLine, isProbe: boolean): void
  /** What the client was not told. */
  failure(error: Error, request: string): void
}

export function openRequestLog(
  level: () => LogLevel,
  write: (line: string) => void = (line) => process.stderr.write(line),
): RequestLog {
  const log = (at: LogLevel, code: string, facts: object) => {
    if (LEVELS.indexOf(at) < LEVELS.indexOf(level())) return
    write(
      `${JSON.stringify({ time: new Date().toISOString(), level: at, component: 'http', code, ...facts })}\n`,
    )
  }
  return {
    request(line, isProbe) {
      const at = line.status >= 500 ? 'warn' : isProbe ? 'debug' : 'info'
      log(at, 'http.request', { ...line, durationMs: Math.round(line.durationMs * 10) / 10 })
    },
    failure: (error, request) =>
      log('error', 'http.failed', {
        request,
        message: error.message,
        stack: error.stack,
        cause: causeOf(error),
      }),
  }
}

const causeOf = ({ cause }: Error): string | undefined =>
  cause instanceof Error ? (cause.stack ?? cause.message) : undefined
