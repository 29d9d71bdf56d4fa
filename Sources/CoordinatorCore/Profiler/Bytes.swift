/// Bytes in an event, which is text (RFC 4648 section 4).
enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        result.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let rest = min(3, bytes.count - start)
            var group: UInt32 = 0
            for place in 0..<rest { group |= UInt32(bytes[start + place]) << UInt32(16 - 8 * place) }
            for place in 0..<4 {
                result.append(
                    place <= rest ? digits[Int(group >> UInt32(18 - 6 * place)) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// As far as the text is one: what a checksum within the bytes says of the rest is for the caller.
    static func bytes(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        var (group, bits): (UInt32, Int) = (0, 0)
        for digit in text.utf8 {
            guard let value = value(digit) else { break }
            group = group << 6 | UInt32(value)
            bits += 6
            guard bits >= 8 else { continue }
            bits -= 8
            result.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
            group &= (1 << UInt32(bits)) - 1
        }
        return result
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 65...90: digit - 65
        case 97...122: digit - 71
        case 48...57: digit + 4
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

/// Bytes in images of version 2.
enum Hexadecimal {
    /// As far as the text is one: what a checksum within the bytes says of the rest is for the caller.
    static func bytes(_ text: String) -> [UInt8] {
        let values = text.utf8.map { digit -> UInt8 in
            switch digit {
            case 48...57: digit - 48
            case 97...102: digit - 87
            default: 0
            }
        }
        return stride(from: 0, to: values.count - 1, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }
}
