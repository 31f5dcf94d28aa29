// What a check of the doctor finds: how it is, and what to do about it.

export interface Verdict {
  readonly status: 'ok' | 'warn' | 'fail'
  readonly message: string
  readonly todo?: string
}

export const ok = (message: string): Verdict => ({ status: 'ok', message })
export const warn = (message: string, todo: string): Verdict => ({ status: 'warn', message, todo })
export const fail = (message: string, todo: string): Verdict => ({ status: 'fail', message, todo })
