import Foundation
import Testing

/// What fuzzing found interesting, again at every run. A file that ended the process once stays here for good.
@Suite struct CorpusTests {
    private static let folder: URL = {
        var url = URL(filePath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<2 { url.deleteLastPathComponent() }
        return url.appending(path: "Corpus")
    }()

    private static func inputs(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let folder = folder.appending(path: target.rawValue)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
            ($0, Array(try Data(contentsOf: folder.appending(path: $0))))
        }
    }

    @Test(arguments: FuzzTarget.allCases) func theCorpusHolds(target: FuzzTarget) throws {
        let inputs = try Self.inputs(of: target)
        #expect(inputs.count >= 20, "the corpus of \(target) is in the repository")
        for (name, bytes) in inputs {
            #expect(throws: Never.self, "\(target)/\(name)") { try target.run(bytes) }
        }
    }

    /// The short ones with a bit of every byte flipped, one at a time, and cut at every length: without luck or a seed.
    @Test(arguments: FuzzTarget.allCases) func neighborsOfTheCorpusHold(target: FuzzTarget) throws {
        for (name, bytes) in try Self.inputs(of: target).filter({ $0.bytes.count <= 96 }) {
            for position in bytes.indices {
                var changed = bytes
                changed[position] ^= 1 << UInt8(position % 8)
                #expect(throws: Never.self, "\(target)/\(name), bit of byte \(position)") { try target.run(changed) }
                let cut = Array(bytes[..<position])
                #expect(throws: Never.self, "\(target)/\(name), cut at \(position)") { try target.run(cut) }
            }
        }
    }
}
