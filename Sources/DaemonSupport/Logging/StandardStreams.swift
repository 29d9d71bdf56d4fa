import Glibc

// Unsafe leaf: write(2) and fstat(2) on the standard streams.

/// `device:inode` of standard error, the form of `JOURNAL_STREAM`.
func standardErrorIdentity() -> String? {
    var info = stat()
    guard unsafe fstat(STDERR_FILENO, &info) == 0 else { return nil }
    return "\(info.st_dev):\(info.st_ino)"
}

/// Writes all of a text to standard error. A closed or full standard error loses the line: there is nobody to tell.
func writeStandardError(_ text: String) { _ = writeAll(text, to: STDERR_FILENO) }

/// Writes all of a text to standard output.
///
/// - Returns: 0, or the errno of what was not written. A reader that has gone (`| head`) has read what it wanted: no error.
public func printToStandardOutput(_ text: String) -> Int32 {
    let failure = writeAll(text, to: STDOUT_FILENO)
    return failure == EPIPE ? 0 : failure
}

private func writeAll(_ text: String, to descriptor: Int32) -> Int32 {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let written = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { return written < 0 ? errno : EIO }
        rest = rest.dropFirst(written)
    }
    return 0
}

/// One line for the person who started the program.
public func printToStandardError(_ line: String) { writeStandardError(line + "\n") }
