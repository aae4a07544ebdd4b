/// What our HTML pages have in common: they stand alone, no server, no network, no script.
public enum Markup {
  /// Text for a page, and for an attribute of it.
  public static func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      // XML has no place for other control characters.
      case "\n", "\t": out.unicodeScalars.append(scalar)
      case _ where scalar.value < 0x20 || scalar.value == 0x7F || scalar.value == 0xFFFE || scalar.value == 0xFFFF: out += "\u{FFFD}"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }

  /// A whole page, well-formed as XML too, so that any parser can check it.
  public static func page(_ title: String, style: String, body: String) -> String {
    """
    <!DOCTYPE html>
    <html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <title>\(escaped(title))</title>
    <style>
    \(common)
    \(style)
    </style></head>
    <body>
    \(body)
    </body></html>

    """
  }

  private static let common = """
    :root{color-scheme:light dark;--ink:light-dark(#1c1f24,#e4e6ea);--soft:light-dark(#666c75,#9aa1ab);--faint:light-dark(#d4d8de,#3a3f47);--paper:light-dark(#fff,#16181c)}
    body{margin:0 auto;padding:1.2rem;font:14px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
    h1{font-size:1.35rem;margin:0 0 .2rem} h2{font-size:1.02rem;margin:1.6rem 0 .4rem}
    """
}
