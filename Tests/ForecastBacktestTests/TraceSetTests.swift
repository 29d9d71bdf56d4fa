import FoundationEssentials
import SimulationKit
import Testing

@testable import ForecastBacktest

@Suite("Reading traces")
struct TraceSetTests {
    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }

    /// What gzip -9 made of sixty rows: a block with codes of its own.
    private static let dynamic = bytes(
        """
        1f8b080000000000020355d2cb6a03310c85e17d9e65163ed6c5d6d39481ce62a0819249fafcb54b897cbc10fc1ba10f7c1d8ff3b83e\
        cecfed79de8febb9dfbfb79ffdeb75dcf60dadfcbfad64cac89ae923353346fa3b5147f64c1b89dc853e3b9755ccced4919239e666ef\
        947957cb9c7745e6bc0bb94b82145a49a1460aeda43090c29415d658e185142ea470278507295a25453356b44e8a0e527425456fa488\
        428a105684b3226255a0d4558162ab02a5af0a00ab02505260ce54cc3fb228506555a0faaa408d5501a9a4801829209d140a52a89242\
        1b29ac90c28415e6a4b020855752b891c23b291a58d19415edef87dd7e01e16ddf07ac030000
        """)

    @Test func readsAllKindsOfBlocks() throws {
        let rows = (0..<60).map { "a,\(1_700_000_000 + 300 * $0),\($0 * 7919 % 13)\n" }.joined()
        let text = String(decoding: try Inflate.gunzip(Self.dynamic), as: UTF8.self)
        #expect(text == "series_id,timestamp,value\n" + rows)
        let fixed = Self.bytes("1f8b0800000000000203cb48cdc9c957c84090008088f9e511000000")
        #expect(String(decoding: try Inflate.gunzip(fixed), as: UTF8.self) == "hello hello hello")
        let stored = Self.bytes("1f8b0800000000000403010600f9ff73746f7265640bf9435606000000")
        #expect(String(decoding: try Inflate.gunzip(stored), as: UTF8.self) == "stored")
    }

    @Test func saysWhatIsWrong() {
        #expect(throws: InflateError.notGzip) { try Inflate.gunzip(Array(repeating: 0, count: 40)) }
        #expect(throws: InflateError.truncated) { try Inflate.gunzip(Array(Self.dynamic[..<60])) }
    }

    @Test func whatIsWrittenIsRead() throws {
        let made = TraceSet.synthetic(days: 8, samplesPerDay: 24)
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "otr-traces-\(ProcessInfo.processInfo.processIdentifier)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for file in made.files { try Data(file.text.utf8).write(to: folder.appending(path: file.name)) }
        let read = try TraceSet(folder: folder)
        #expect(read.series.map(\.id) == made.series.map(\.id))
        #expect(read.series.map(\.values) == made.series.map(\.values))
        #expect(read.series.map(\.origins) == made.series.map(\.origins))
        #expect(read.series.map(\.meta.maseScale) == made.series.map(\.meta.maseScale))
        try Data("series_id,timestamp,value\nx,1,1\nx,2,?\n".utf8).write(to: folder.appending(path: "demand.csv"))
        #expect(throws: TraceError.self) { try TraceSet(folder: folder) }
    }
}
