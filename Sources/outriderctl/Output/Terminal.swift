import Foundation

/// Standard output and error, safe against what a name may carry.
enum Terminal {
    static func write(_ text: String) { write(text, to: .standardOutput) }

    static func writeError(_ text: String) { write(escaped(text), to: .standardError) }

    /// A reader that has gone (`| head`) has read what it wanted.
    private static func write(_ text: String, to file: FileHandle) {
        try? file.write(contentsOf: Data((text + "\n").utf8))
    }

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
