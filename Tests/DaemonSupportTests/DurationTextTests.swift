import Testing

@testable import DaemonSupport

@Suite struct DurationTextTests {
    @Test(arguments: [
        ("200ms", Duration.milliseconds(200)), ("10s", .seconds(10)), ("5m", .seconds(300)), ("24h", .seconds(86_400)),
        ("1h30m", .seconds(5400)), ("1s500ms", .milliseconds(1500)), ("7d", .seconds(604_800)), ("0ms", .zero),
    ])
    func reads(text: String, duration: Duration) { #expect(DurationText.parse(text) == duration) }

    @Test(arguments: [
        "", "10", "ms", "10 s", "-5s", "1.5s", "5x", "30m1h", "1s1s", "5S", "10s ", "9999999999999999999s",
        "106752d1ms9h", "٣s",
    ])
    func refuses(text: String) { #expect(DurationText.parse(text) == nil) }

    @Test func printsWhatItReads() {
        for milliseconds in [10, 200, 999, 1000, 1500, 60_000, 61_001, 3_600_000, 86_400_000, 172_800_000, 604_800_000]
        {
            let duration = Duration.milliseconds(milliseconds)
            #expect(DurationText.parse(DurationText.print(duration)) == duration)
        }
        #expect(DurationText.print(.seconds(86_400)) == "24h")
        #expect(DurationText.print(.seconds(300)) == "5m")
        #expect(DurationText.print(.microseconds(10)) == "0ms")
    }
}
