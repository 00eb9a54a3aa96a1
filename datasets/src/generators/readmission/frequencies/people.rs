//! What stays with a patient, and who pays.
//!
//! Rounded shares of levels; the parent module says of what and how to read them.

/// Stays of a patient, of 100 000 patients; the published table goes up to 40.
pub(crate) const STAYS: &str = "\
     1:76490 2:14643 3:4630 4:2031 5:982 6:500 7:278 8:157 9:98 10:61 11:31 12:21 13:14 14:9 \
     15:16 16:5 17:5 18:7 19:3 20:9 21:2 22:3 23:2 28:2 32:1 36:1 40:1";

/// Age at the first stay, of 10 000 patients.
pub(crate) const AGE: &str = "\
     [0-10):22 [10-20):74 [20-30):155 [30-40):381 [40-50):962 [50-60):1755 [60-70):2235 \
     [70-80):2539 [80-90):1613 [90-100):264";

/// Race by age.
pub(crate) const RACE: [&str; 10] = [
    // [0-10)
    "Caucasian:848 AfricanAmerican:98 Other:23 Asian:15 Hispanic:15",
    // [10-20)
    "Caucasian:652 AfricanAmerican:283 Hispanic:34 Other:16 ?:11 Asian:4",
    // [20-30)
    "Caucasian:585 AfricanAmerican:327 Hispanic:40 ?:30 Other:14 Asian:4",
    // [30-40)
    "Caucasian:588 AfricanAmerican:317 Hispanic:46 ?:22 Other:22 Asian:5",
    // [40-50)
    "Caucasian:636 AfricanAmerican:287 Hispanic:33 ?:23 Other:16 Asian:6",
    // [50-60)
    "Caucasian:685 AfricanAmerican:246 Hispanic:23 ?:21 Other:18 Asian:7",
    // [60-70)
    "Caucasian:741 AfricanAmerican:189 ?:23 Hispanic:22 Other:18 Asian:7",
    // [70-80)
    "Caucasian:793 AfricanAmerican:148 ?:23 Hispanic:15 Other:13 Asian:7",
    // [80-90)
    "Caucasian:851 AfricanAmerican:104 ?:24 Hispanic:8 Other:7 Asian:5",
    // [90-100)
    "Caucasian:842 AfricanAmerican:113 ?:24 Other:10 Hispanic:7 Asian:4",
];

/// Weight in pounds where it is known.
pub(crate) const WEIGHT: &str = "\
     [75-100):419 [50-75):280 [100-125):199 [125-150):42 [25-50):29 [0-25):14 [150-175):12 \
     [175-200):4 >200:1";

/// Payer by age, where it is known.
pub(crate) const PAYER: [&str; 10] = [
    // [0-10)
    "BC:500 CP:200 MD:100 SP:100 UN:100",
    // [10-20)
    "MD:273 SP:174 BC:169 HM:151 CP:87 DM:58 UN:41 PO:23 OG:17 CM:6",
    // [20-30)
    "MD:271 SP:163 HM:135 BC:89 UN:79 CP:66 MC:63 OG:52 DM:43 PO:29 CM:4 CH:3 WC:1",
    // [30-40)
    "HM:196 MD:175 BC:136 MC:129 SP:126 UN:60 CP:59 DM:44 OG:38 PO:20 CM:7 WC:4 OT:3 CH:2 \
     SI:1",
    // [40-50)
    "HM:169 MC:167 BC:145 SP:131 MD:116 CP:79 UN:60 OG:46 DM:29 PO:19 CM:18 WC:7 SI:6 OT:4 \
     MP:3 CH:2",
    // [50-60)
    "MC:216 BC:168 HM:160 SP:114 MD:96 CP:74 UN:67 OG:35 PO:21 CM:20 DM:15 WC:5 CH:3 OT:3 \
     MP:2 SI:2",
    // [60-70)
    "MC:478 HM:121 BC:100 SP:82 CP:52 MD:49 UN:42 CM:33 OG:14 PO:13 DM:6 CH:4 WC:2 MP:2 OT:1 \
     SI:1 FR:1",
    // [70-80)
    "MC:744 HM:69 SP:55 CM:46 UN:28 MD:19 CP:18 BC:14 OG:3 CH:1 MP:1 PO:1 WC:1 DM:1 OT:1",
    // [80-90)
    "MC:813 SP:55 HM:37 CM:30 MD:19 UN:18 BC:12 CP:11 OG:2 CH:1 MP:1 OT:1 PO:1 WC:1 DM:1",
    // [90-100)
    "MC:828 SP:50 CM:30 MD:30 HM:25 UN:18 BC:9 CP:7 OG:2 OT:1",
];
