/// XXH64 (Collet, 2012; https://xxhash.com) of bytes, seed 0: finds every flipped byte, torn page and swapped block
/// that storage or a cable makes of a snapshot; it does not keep out somebody who means harm.
func xxHash64(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    var hash: UInt64
    var cursor = bytes.startIndex
    if bytes.count >= 32 {
        var lanes = (XX.prime1 &+ XX.prime2, XX.prime2, UInt64(0), 0 &- XX.prime1)
        while bytes.endIndex - cursor >= 32 {
            lanes.0 = XX.round(lanes.0, XX.word(bytes, cursor))
            lanes.1 = XX.round(lanes.1, XX.word(bytes, cursor + 8))
            lanes.2 = XX.round(lanes.2, XX.word(bytes, cursor + 16))
            lanes.3 = XX.round(lanes.3, XX.word(bytes, cursor + 24))
            cursor += 32
        }
        hash = XX.rotate(lanes.0, 1) &+ XX.rotate(lanes.1, 7) &+ XX.rotate(lanes.2, 12) &+ XX.rotate(lanes.3, 18)
        for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
            hash = (hash ^ XX.round(0, lane)) &* XX.prime1 &+ XX.prime4
        }
    } else {
        hash = XX.prime5
    }
    hash &+= UInt64(bytes.count)
    while bytes.endIndex - cursor >= 8 {
        hash = XX.rotate(hash ^ XX.round(0, XX.word(bytes, cursor)), 27) &* XX.prime1 &+ XX.prime4
        cursor += 8
    }
    if bytes.endIndex - cursor >= 4 {
        hash = XX.rotate(hash ^ (XX.half(bytes, cursor) &* XX.prime1), 23) &* XX.prime2 &+ XX.prime3
        cursor += 4
    }
    while cursor < bytes.endIndex {
        hash = XX.rotate(hash ^ (UInt64(bytes[cursor]) &* XX.prime5), 11) &* XX.prime1
        cursor += 1
    }
    hash = (hash ^ hash >> 33) &* XX.prime2
    hash = (hash ^ hash >> 29) &* XX.prime3
    return hash ^ hash >> 32
}

private enum XX {
    static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    static func rotate(_ value: UInt64, _ by: UInt64) -> UInt64 { value << by | value >> (64 - by) }

    static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
        rotate(lane &+ word &* prime2, 31) &* prime1
    }

    @inline(__always)
    static func half(_ bytes: ArraySlice<UInt8>, _ at: Int) -> UInt64 {
        UInt64(bytes[at]) | UInt64(bytes[at + 1]) << 8 | UInt64(bytes[at + 2]) << 16 | UInt64(bytes[at + 3]) << 24
    }

    @inline(__always)
    static func word(_ bytes: ArraySlice<UInt8>, _ at: Int) -> UInt64 {
        half(bytes, at) | half(bytes, at + 4) << 32
    }
}
