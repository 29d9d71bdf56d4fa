import DaemonSupport
import Foundation

/// Standard output and error, safe against what a name may carry.
enum Terminal {
    /// - Throws: `failure` when the answer cannot be written, as on a full disk.
    static func write(_ text: String) throws(ControlFailure) {
        let code = printToStandardOutput(text + "\n")
        guard code == 0 else {
            let why = POSIXErrorCode(rawValue: code).map { POSIXError($0).localizedDescription } ?? "errno \(code)"
            throw ControlFailure(.failure, "the answer cannot be written to standard output: \(why)")
        }
    }

    static func writeError(_ text: String) { printToStandardError(escaped(text)) }

    /// `text` with everything that could move the cursor, colour the screen, or reorder what is shown written as
    /// `\u{...}`: C0 and C1 controls, DEL, line and paragraph separators, and the bidirectional controls (Unicode
    /// Technical Report 36, section 2.5).
    static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isDangerous) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isDangerous(scalar) {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func isDangerous(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1F, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }
}
