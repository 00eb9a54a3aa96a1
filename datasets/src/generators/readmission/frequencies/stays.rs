//! How a stay begins, what is measured, and how it ends.
//!
//! Rounded shares of levels; the parent module says of what and how to read them.

/// Specialty by chapter of the first diagnosis, of 10 000; last, below twenty.
pub(crate) const SPECIALTY: [&str; 10] = [
    // circulatory
    "InternalMedicine:2729 Cardiology:2594 Family/GeneralPractice:1314 Emergency/Trauma:1308 \
     Radiologist:455 Surgery-General:389 Surgery-Cardiovascular/Thoracic:320 Nephrology:264 \
     Surgery-Vascular:151 Pulmonology:123 Gastroenterology:63 Surgery-Cardiovascular:41 \
     Surgery-Neuro:37 Surgery-Thoracic:32 Neurology:27 Oncology:23 Pediatrics:21 \
     Hematology/Oncology:17 Radiology:16 Osteopath:10 Endocrinology:7 Urology:6 \
     Hospitalist:5 Surgeon:5 InfectiousDiseases:4 Orthopedics-Reconstructive:4 \
     PhysicalMedicineandRehabilitation:4 PhysicianNotFound:4 Orthopedics:3 Podiatry:3 \
     AllergyandImmunology:2 Hematology:2 Otolaryngology:2 Pediatrics-Neurology:2 DCPTEAM:2 \
     OutreachServices:2 Psychiatry:2 Rheumatology:2 ObstetricsandGynecology:1 \
     Ophthalmology:1 Psychiatry-Addictive:1 SportsMedicine:1 Surgery-Maxillofacial:1 \
     Surgery-Plastic:1",
    // respiratory
    "InternalMedicine:3611 Emergency/Trauma:2009 Family/GeneralPractice:1985 Cardiology:870 \
     Pulmonology:507 Surgery-General:237 Nephrology:228 Gastroenterology:111 Radiologist:91 \
     Pediatrics:58 Oncology:44 Otolaryngology:38 Hematology/Oncology:35 \
     Surgery-Cardiovascular/Thoracic:31 Surgery-Thoracic:27 Endocrinology:20 Osteopath:13 \
     Hospitalist:11 Orthopedics:9 Orthopedics-Reconstructive:9 Surgery-Cardiovascular:9 \
     Urology:9 Radiology:5 AllergyandImmunology:4 Hematology:4 Psychiatry:4 Rheumatology:4 \
     Surgery-Vascular:4 DCPTEAM:2 Dentistry:2 InfectiousDiseases:2 Neurology:2 \
     OutreachServices:2 Pediatrics-Pulmonology:2 Surgery-Maxillofacial:2",
    // digestive
    "InternalMedicine:3582 Family/GeneralPractice:1747 Emergency/Trauma:1742 \
     Surgery-General:1452 Nephrology:333 Gastroenterology:299 Cardiology:245 Pulmonology:149 \
     Radiologist:101 Hematology/Oncology:62 Oncology:56 Endocrinology:28 Surgery-Vascular:25 \
     Urology:20 Hospitalist:14 ObstetricsandGynecology:26 Otolaryngology:14 Pediatrics:14 \
     Surgery-Cardiovascular/Thoracic:14 Surgeon:11 Surgery-Colon&Rectal:11 Hematology:8 \
     Endocrinology-Metabolism:6 InfectiousDiseases:6 Obsterics&Gynecology-GynecologicOnco:10 \
     Ophthalmology:6 Orthopedics-Reconstructive:6 Osteopath:6 Surgery-Maxillofacial:6 \
     Neurology:3 Orthopedics:3 OutreachServices:3 PhysicianNotFound:3 Psychiatry:3 \
     Rheumatology:3",
    // diabetes
    "InternalMedicine:3953 Family/GeneralPractice:2015 Emergency/Trauma:1490 \
     Surgery-General:617 Nephrology:546 Surgery-Vascular:278 Cardiology:198 Podiatry:147 \
     Pulmonology:134 Orthopedics-Reconstructive:107 Endocrinology:85 Gastroenterology:70 \
     Radiologist:49 Orthopedics:43 Pediatrics:31 Surgery-Cardiovascular/Thoracic:27 \
     Hospitalist:24 Oncology:24 Urology:21 Radiology:18 InfectiousDiseases:15 \
     Hematology/Oncology:12 Neurology:12 Surgeon:9 Surgery-Neuro:9 Surgery-Plastic:9 \
     Surgery-Thoracic:9 Hematology:6 ObstetricsandGynecology:11 Osteopath:6 \
     OutreachServices:6 Anesthesiology:3 Endocrinology-Metabolism:3 Otolaryngology:3 \
     PhysicalMedicineandRehabilitation:3 PhysicianNotFound:3 Psychiatry:3 Psychology:3",
    // injury
    "InternalMedicine:1764 Emergency/Trauma:1659 Orthopedics-Reconstructive:1224 \
     Orthopedics:1032 Surgery-General:1007 Family/GeneralPractice:804 Nephrology:674 \
     Cardiology:435 Surgery-Vascular:286 Radiologist:210 Urology:174 \
     Surgery-Cardiovascular/Thoracic:167 Surgery-Neuro:105 Pulmonology:94 \
     Gastroenterology:51 ObstetricsandGynecology:74 Podiatry:33 Oncology:29 Neurology:22 \
     Surgery-Thoracic:22 Radiology:18 Surgeon:18 Surgery-Plastic:18 Ophthalmology:14 \
     Surgery-Cardiovascular:14 Endocrinology:11 Otolaryngology:11 Pediatrics:11 \
     Psychiatry:11 Hematology/Oncology:7 Hospitalist:7 PhysicalMedicineandRehabilitation:7 \
     Anesthesiology:4 Hematology:4 InfectiousDiseases:4 \
     Obsterics&Gynecology-GynecologicOnco:7 Osteopath:4 Pathology:4",
    // musculoskeletal
    "Orthopedics:3126 Orthopedics-Reconstructive:2283 Surgery-Neuro:921 InternalMedicine:819 \
     Surgery-General:705 Radiologist:469 Family/GeneralPractice:461 Emergency/Trauma:425 \
     Neurology:323 Ophthalmology:63 Cardiology:59 Nephrology:51 Pulmonology:47 \
     PhysicalMedicineandRehabilitation:35 Podiatry:31 Surgeon:24 Surgery-Vascular:24 \
     Hematology/Oncology:20 Anesthesiology:16 Oncology:16 Pediatrics:12 Rheumatology:12 \
     Surgery-Cardiovascular:12 Endocrinology:8 Gastroenterology:8 InfectiousDiseases:8 \
     Surgery-Plastic:8 AllergyandImmunology:4 Hematology:4 \
     Obsterics&Gynecology-GynecologicOnco:7 Osteopath:4",
    // genitourinary
    "InternalMedicine:3392 Urology:1498 Emergency/Trauma:1445 Family/GeneralPractice:1386 \
     ObstetricsandGynecology:1154 Nephrology:492 Surgery-General:310 Cardiology:214 \
     Gastroenterology:107 Gynecology:189 Pulmonology:91 Oncology:48 Obstetrics:80 \
     Endocrinology:37 Hematology/Oncology:21 Hospitalist:21 \
     Obsterics&Gynecology-GynecologicOnco:40 Pediatrics:21 Radiologist:21 Radiology:16 \
     Endocrinology-Metabolism:11 Orthopedics-Reconstructive:11 Surgery-Vascular:11 \
     AllergyandImmunology:5 DCPTEAM:5 InfectiousDiseases:5 Orthopedics:5 Osteopath:5 \
     OutreachServices:5 PhysicalMedicineandRehabilitation:5 Proctology:5 \
     Surgery-Maxillofacial:5 Surgery-Neuro:5 Surgery-Plastic:5",
    // neoplasms
    "Surgery-General:1714 InternalMedicine:1673 Urology:1270 Family/GeneralPractice:1022 \
     Emergency/Trauma:827 ObstetricsandGynecology:1299 Oncology:376 Hematology/Oncology:276 \
     Cardiology:222 Otolaryngology:222 Gastroenterology:215 Surgery-Neuro:202 \
     Surgery-Cardiovascular/Thoracic:195 Pulmonology:141 Surgery-Thoracic:134 Hematology:108 \
     Radiologist:101 Obsterics&Gynecology-GynecologicOnco:175 Surgery-Vascular:87 \
     Gynecology:112 Nephrology:60 Surgery-Cardiovascular:60 Surgery-Colon&Rectal:40 \
     Neurology:34 Hospitalist:20 Orthopedics:20 Pediatrics:20 Surgeon:20 Obstetrics:25 \
     Orthopedics-Reconstructive:13 Radiology:13 Anesthesiology:7 Endocrinology:7 \
     InfectiousDiseases:7 Pediatrics-Neurology:7 Rheumatology:7 Surgery-Plastic:7 \
     SurgicalSpecialty:7",
    // other
    "InternalMedicine:2905 Emergency/Trauma:1589 Family/GeneralPractice:1495 Psychiatry:887 \
     Surgery-General:436 PhysicalMedicineandRehabilitation:404 ObstetricsandGynecology:748 \
     Nephrology:312 Cardiology:276 Oncology:152 Pulmonology:144 Gastroenterology:141 \
     Psychology:115 Hematology/Oncology:69 Radiologist:68 Hematology:54 \
     Orthopedics-Reconstructive:49 Otolaryngology:42 Surgery-Vascular:38 Neurology:37 \
     Surgery-Neuro:35 Orthopedics:34 Urology:33 Pediatrics:30 SurgicalSpecialty:27 \
     Endocrinology:26 Surgery-Plastic:20 Hospitalist:19 InfectiousDiseases:19 Pathology:16 \
     Surgery-Cardiovascular/Thoracic:16 Gynecology:28 Surgeon:11 Surgery-Cardiovascular:11 \
     Osteopath:9 Rheumatology:9 Ophthalmology:8 Podiatry:8 Obstetrics:13 PhysicianNotFound:5 \
     Pediatrics-Neurology:4 Surgery-Maxillofacial:4 Surgery-Thoracic:4 Anesthesiology:3 \
     DCPTEAM:3 OutreachServices:3 Psychiatry-Child/Adolescent:3 Dentistry:1 Resident:1 \
     Speech:1",
    // below twenty
    "Pediatrics-Endocrinology:2663 Pediatrics:1768 Pediatrics-CriticalCare:1545 \
     InternalMedicine:752 Emergency/Trauma:569 Family/GeneralPractice:467 \
     Pediatrics-Pulmonology:467 Anesthesiology-Pediatric:325 ObstetricsandGynecology:416 \
     Psychiatry:183 Cardiology-Pediatric:122 Surgery-Pediatric:122 Endocrinology:81 \
     Psychology:81 Surgery-General:81 Pediatrics-AllergyandImmunology:61 \
     Pediatrics-EmergencyMedicine:61 Pediatrics-Hematology-Oncology:61 Pulmonology:61 \
     SurgicalSpecialty:61 Cardiology:20 Gynecology:38 Nephrology:20 Neurology:20 Oncology:20 \
     Orthopedics-Reconstructive:20 Otolaryngology:20 Pediatrics-InfectiousDiseases:20 \
     Pediatrics-Neurology:20 Radiologist:20 Surgery-Neuro:20 Surgery-Plastic:20",
];

/// Type by specialty (in the order of `BUSY`), without 5 and 6.
pub(crate) const ADMISSION_TYPE: [&str; 10] = [
    // ?
    "1:729 3:148 2:121 8:1 7:1 4:1",
    // InternalMedicine
    "1:726 2:189 3:78 8:8 4:1",
    // Emergency/Trauma
    "2:557 1:322 3:121",
    // Family/GeneralPractice
    "1:585 2:231 3:181 8:2 4:1",
    // Cardiology
    "3:400 1:367 2:227 8:6",
    // Surgery-General
    "3:447 2:340 1:199 8:14",
    // Orthopedics
    "3:834 1:86 2:80",
    // Orthopedics-Reconstructive
    "3:574 2:201 1:179 8:47",
    // Radiologist
    "3:675 2:221 1:104",
    // all others
    "3:429 1:293 2:270 8:8",
];

/// Source by admission type 1 to 8, of 10 000.
pub(crate) const ADMISSION_SOURCE: [&str; 8] = [
    // 1
    "7:8979 6:375 1:312 17:118 5:115 4:44 2:41 3:11 20:2 8:1 10:1 25:1 11:1",
    // 2
    "1:4999 7:3281 4:1000 2:287 17:117 6:96 5:71 9:64 20:64 3:14 10:3 8:3 13:1",
    // 3
    "1:8556 4:578 7:499 2:175 5:58 3:49 6:43 20:18 17:13 22:6 9:3 11:1 8:1",
    // 4
    "4:4444 1:2222 7:2222 14:1111",
    // 5
    "17:6103 1:3611 7:279 4:5 6:3",
    // 6
    "17:5608 7:3138 1:1084 4:80 2:45 5:31 3:7 6:7",
    // 7
    "7:10000",
    // 8
    "1:5642 7:3852 2:350 4:156",
];

/// Glucose in serum by admission type 1 to 8.
pub(crate) const GLUCOSE: [&str; 8] = [
    // 1
    "None:984 Norm:7 >300:6 >200:3",
    // 2
    "None:988 Norm:7 >200:3 >300:2",
    // 3
    "None:999 Norm:1 >300:1 >200:1",
    // 4
    "None:1000",
    // 5
    "None:428 Norm:281 >200:175 >300:115",
    // 6
    "None:718 Norm:133 >200:87 >300:61",
    // 7
    "None:1000",
    // 8
    "None:1000",
];

/// HbA1c by age.
pub(crate) const A1C: [&str; 10] = [
    // [0-10)
    ">8:515 None:417 Norm:53 >7:15",
    // [10-20)
    "None:494 >8:409 Norm:77 >7:20",
    // [20-30)
    "None:735 >8:200 Norm:47 >7:18",
    // [30-40)
    "None:765 >8:160 Norm:52 >7:23",
    // [40-50)
    "None:775 >8:132 Norm:59 >7:34",
    // [50-60)
    "None:803 >8:106 Norm:54 >7:36",
    // [60-70)
    "None:843 >8:74 Norm:44 >7:39",
    // [70-80)
    "None:864 >8:50 Norm:45 >7:41",
    // [80-90)
    "None:869 Norm:50 >8:41 >7:41",
    // [90-100)
    "None:886 Norm:42 >7:38 >8:33",
];

/// Discharge by age and days in hospital, of 10 000.
pub(crate) const DISCHARGE: [&str; 18] = [
    // below 30, 1 or 2 days
    "1:8734 7:362 25:294 18:169 6:136 2:102 11:56 5:56 28:34 3:34 22:11 4:11",
    // below 30, 3 to 5 days
    "1:8932 6:410 25:211 18:174 2:50 7:50 4:37 5:37 3:25 8:25 16:12 17:12 23:12 28:12",
    // below 30, 6 and more days
    "1:7617 6:1047 3:325 7:289 18:217 25:181 5:108 22:72 13:36 2:36 23:36 9:36",
    // 30 to 49, 1 or 2 days
    "1:8553 18:294 6:276 7:254 2:212 25:100 5:100 3:82 11:57 28:22 4:17 22:10 13:7 23:7 16:2 \
     17:2 8:2",
    // 30 to 49, 3 to 5 days
    "1:7941 6:809 18:369 3:216 2:141 25:115 7:92 5:85 22:61 11:45 8:31 23:24 28:19 4:16 14:9 \
     17:9 13:7 16:5 15:2 9:2",
    // 30 to 49, 6 and more days
    "1:6409 6:1572 18:613 3:569 2:143 22:131 5:104 25:100 4:68 8:64 11:56 7:56 23:32 28:32 \
     13:16 14:12 15:8 17:8 16:4 9:4",
    // 50 to 59, 1 or 2 days
    "1:8240 6:394 2:332 18:313 3:176 7:149 11:112 25:108 5:75 22:29 28:25 4:25 14:6 23:4 \
     13:2 15:2 16:2 24:2 8:2",
    // 50 to 59, 3 to 5 days
    "1:7119 6:1154 3:543 18:388 2:207 5:126 22:121 25:101 7:65 11:52 4:31 28:22 13:20 23:18 \
     8:11 24:7 14:5 17:4 10:2 15:2 16:2 27:2",
    // 50 to 59, 6 and more days
    "1:5412 6:1892 3:989 18:490 22:316 5:188 2:160 11:120 25:103 23:85 4:68 7:51 8:40 14:31 \
     28:26 13:17 15:6 16:3 27:3",
    // 60 to 69, 1 or 2 days
    "1:8020 6:588 2:363 3:285 18:250 11:143 25:73 7:61 4:49 22:44 5:40 14:21 13:17 23:16 \
     28:10 9:9 19:3 24:3 16:2 8:2",
    // 60 to 69, 3 to 5 days
    "1:6355 6:1415 3:953 18:382 22:229 2:189 5:93 11:92 25:79 4:61 7:46 23:36 13:28 14:22 \
     8:10 15:4 28:4 16:1 9:1",
    // 60 to 69, 6 and more days
    "1:4776 6:1966 3:1530 18:510 22:321 2:192 5:155 11:153 25:94 23:86 4:65 13:61 7:29 14:18 \
     8:16 9:10 15:6 28:6 24:4 20:2 27:2",
    // 70 to 79, 1 or 2 days
    "1:7371 6:892 3:496 2:321 18:299 11:209 22:93 25:93 4:60 5:46 7:39 14:27 13:21 28:12 \
     23:10 24:3 19:2 20:2 8:2 9:2",
    // 70 to 79, 3 to 5 days
    "1:5132 3:1917 6:1478 18:369 22:294 2:184 5:139 11:137 25:105 4:71 13:54 14:36 23:30 \
     7:16 15:12 28:8 8:7 24:5 19:2 9:2 12:1",
    // 70 to 79, 6 and more days
    "1:3429 3:2460 6:2027 18:589 22:388 11:267 5:198 2:183 4:109 23:97 13:75 25:75 14:48 \
     8:16 15:13 7:13 28:5 10:3 24:3 12:2",
    // 80 and older, 1 or 2 days
    "1:5821 6:1381 3:1183 11:483 2:264 18:206 4:176 14:112 22:107 25:85 5:51 13:32 7:32 \
     23:29 24:24 28:8 12:3 19:3",
    // 80 and older, 3 to 5 days
    "1:3471 3:3412 6:1554 22:347 11:244 18:241 4:166 2:123 5:112 25:89 13:72 14:72 23:34 \
     28:19 24:17 15:13 7:10 10:3 9:1",
    // 80 and older, 6 and more days
    "3:4119 1:2122 6:1766 22:343 18:326 11:293 5:243 4:184 14:130 23:130 2:126 13:103 25:80 \
     15:21 24:6 17:2 27:2 8:2 9:2",
];

/// Insulin by age.
pub(crate) const INSULIN_BY_AGE: [&str; 10] = [
    // [0-10)
    "Steady:614 No:174 Up:114 Down:98",
    // [10-20)
    "Steady:486 Up:195 Down:168 No:151",
    // [20-30)
    "Steady:319 No:262 Down:213 Up:205",
    // [30-40)
    "No:390 Steady:298 Down:161 Up:152",
    // [40-50)
    "No:423 Steady:294 Down:152 Up:131",
    // [50-60)
    "No:446 Steady:313 Down:133 Up:108",
    // [60-70)
    "No:462 Steady:307 Down:118 Up:112",
    // [70-80)
    "No:492 Steady:303 Down:107 Up:98",
    // [80-90)
    "No:500 Steady:300 Up:100 Down:100",
    // [90-100)
    "No:516 Steady:291 Up:99 Down:94",
];

/// Insulin by HbA1c: None, Norm, >7, >8.
pub(crate) const INSULIN_BY_A1C: [&str; 4] = [
    // None
    "No:483 Steady:302 Down:114 Up:102",
    // Norm
    "No:463 Steady:312 Down:121 Up:104",
    // >7
    "No:442 Steady:316 Up:123 Down:119",
    // >8
    "Steady:334 No:265 Up:207 Down:194",
];
