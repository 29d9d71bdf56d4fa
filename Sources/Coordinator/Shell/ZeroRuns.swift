/// Bytes with many zeros, shorter: a zero is followed by how many more of them there are, up to 255.
enum ZeroRuns {
    static func pack(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count / 2)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            result.append(byte)
            index += 1
            guard byte == 0 else { continue }
            var more = 0
            while more < 255, index < bytes.count, bytes[index] == 0 {
                more += 1
                index += 1
            }
            result.append(UInt8(more))
        }
        return result
    }

    /// - Parameter countMax: longer ones are not what was packed.
    /// - Returns: nil when it ends within a run, or is too long.
    static func unpack(_ bytes: ArraySlice<UInt8>, countMax: Int) -> [UInt8]? {
        var result: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            index += 1
            if byte == 0 {
                guard index < bytes.endIndex else { return nil }
                result.append(contentsOf: repeatElement(0, count: Int(bytes[index]) + 1))
                index += 1
            } else {
                result.append(byte)
            }
            guard result.count <= countMax else { return nil }
        }
        return result
    }
}
