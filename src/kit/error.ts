// The error class of the kit: pure algorithms report what was wrong with their input by a short code.

/**
 * Thrown by every function of the kit. `code` is stable; each function lists its codes.
 * The kit knows nothing of the rooms above it: they map these codes to their own errors.
 */
export class KitError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'KitError'
    this.code = code
  }
}
