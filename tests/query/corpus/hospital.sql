-- # Stays and patients
SELECT COUNT(*) AS stays, COUNT(DISTINCT patient_nbr) AS patients FROM encounters;

-- # Stays by race and sex
SELECT race, gender, COUNT(*) AS stays FROM encounters GROUP BY race, gender ORDER BY stays DESC;

-- # Mean length of stay
SELECT AVG(time_in_hospital) AS days FROM encounters;

-- # Length of stay by age band
SELECT age, AVG(time_in_hospital) AS days, STDDEV_SAMP(time_in_hospital) AS sd FROM encounters GROUP BY age ORDER BY age;

-- # Rate of readmission within thirty days
SELECT SUM(CASE WHEN readmitted = '<30' THEN 1 ELSE 0 END) * 100.0 / COUNT(*) AS percent FROM encounters;

-- # Readmission by insulin
SELECT insulin, AVG(CASE WHEN readmitted = '<30' THEN 1.0 ELSE 0.0 END) AS rate FROM encounters GROUP BY insulin;

-- # Readmission as a cross table
SELECT age, COUNT(CASE WHEN readmitted = 'NO' THEN 1 END) AS never, COUNT(CASE WHEN readmitted = '<30' THEN 1 END) AS soon, COUNT(CASE WHEN readmitted = '>30' THEN 1 END) AS later FROM encounters GROUP BY age;

-- # The ten most frequent specialties
SELECT medical_specialty, COUNT(*) AS n FROM encounters WHERE medical_specialty IS NOT NULL GROUP BY medical_specialty ORDER BY n DESC LIMIT 10;

-- # Circulatory diagnoses by ICD-9
SELECT COUNT(*) AS n FROM encounters WHERE TRY_CAST(diag_1 AS INTEGER) BETWEEN 390 AND 459;

-- # Diabetes as the first diagnosis
SELECT COUNT(*) FROM encounters WHERE diag_1 LIKE '250%';

-- # Chapters of the diagnosis by its first letter
SELECT CASE WHEN diag_1 LIKE 'V%' THEN 'V' WHEN diag_1 LIKE 'E%' THEN 'E' ELSE 'numeric' END AS chapter, COUNT(*) AS n FROM encounters GROUP BY 1;

-- # Diagnoses in groups of three digits
SELECT SUBSTR(diag_1, 1, 3) AS icd, COUNT(*) AS n FROM encounters GROUP BY icd HAVING COUNT(*) >= 50 ORDER BY n DESC;

-- # Medications by number of diagnoses
SELECT number_diagnoses, AVG(num_medications) AS meds FROM encounters GROUP BY number_diagnoses ORDER BY 1;

-- # Do more medications mean longer stays?
SELECT CORR(num_medications, time_in_hospital) AS r FROM encounters;

-- # The median number of medications by sex
SELECT gender, MEDIAN(num_medications) AS med FROM encounters GROUP BY gender;

-- # Ninetieth percentile of the stay
SELECT PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY time_in_hospital) AS p90 FROM encounters;

-- # Stays with any earlier emergency
SELECT number_emergency > 0 AS had_emergency, COUNT(*) AS n, AVG(time_in_hospital) AS days FROM encounters GROUP BY number_emergency > 0;

-- # Earlier visits altogether
SELECT AVG(number_outpatient + number_emergency + number_inpatient) AS visits FROM encounters;

-- # Stays by kind of admission, in words
SELECT t.description, COUNT(*) AS n FROM encounters e JOIN admission_types t ON e.admission_type_id = t.admission_type_id GROUP BY t.description ORDER BY n DESC;

-- # Stays by kind of admission, also where the kind is unknown
SELECT COALESCE(t.description, 'unknown') AS kind, COUNT(*) AS n FROM encounters e LEFT JOIN admission_types t ON e.admission_type_id = t.admission_type_id GROUP BY 1;

-- # Patients with more than one stay
SELECT COUNT(*) AS patients FROM (SELECT patient_nbr FROM encounters GROUP BY patient_nbr HAVING COUNT(*) > 1) t;

-- # Stays of a patient
SELECT AVG(stays) AS mean, MEDIAN(stays) AS med FROM (SELECT patient_nbr, COUNT(*) AS stays FROM encounters GROUP BY patient_nbr) t;

-- # Share of patients who came back at least once
WITH p AS (SELECT patient_nbr, MAX(CASE WHEN readmitted <> 'NO' THEN 1 ELSE 0 END) AS back FROM encounters GROUP BY patient_nbr) SELECT AVG(back) AS share FROM p;

-- # Longest stay of each patient, on average by sex
SELECT gender, AVG(longest) AS mean FROM (SELECT patient_nbr, gender, MAX(time_in_hospital) AS longest FROM encounters GROUP BY patient_nbr, gender) t GROUP BY gender;

-- # A1c results and change of medication
SELECT a1c, changed, COUNT(*) AS n FROM encounters GROUP BY a1c, changed ORDER BY a1c, changed;

-- # High A1c whose medication was not changed
SELECT COUNT(*) AS n FROM encounters WHERE a1c IN ('>7', '>8') AND changed = 'No';

-- # Ratio of procedures to days
SELECT SUM(num_procedures) / SUM(time_in_hospital) AS per_day FROM encounters;

-- # Laboratory work by specialty, the busiest five
SELECT medical_specialty, AVG(num_lab_procedures) AS labs FROM encounters GROUP BY medical_specialty HAVING COUNT(*) > 500 ORDER BY labs DESC LIMIT 5;

-- # Age as a number
SELECT AVG(CASE age WHEN '[0-10)' THEN 5 WHEN '[10-20)' THEN 15 WHEN '[20-30)' THEN 25 WHEN '[30-40)' THEN 35 WHEN '[40-50)' THEN 45 WHEN '[50-60)' THEN 55 WHEN '[60-70)' THEN 65 WHEN '[70-80)' THEN 75 WHEN '[80-90)' THEN 85 ELSE 95 END) AS mean_age FROM encounters;

-- # Payers and how many stays each has
SELECT COALESCE(payer_code, 'none') AS payer, COUNT(*) AS n FROM encounters GROUP BY payer ORDER BY n DESC;

-- # How many payers are there?
SELECT COUNT(DISTINCT payer_code) AS payers FROM encounters;

-- # Stays by length, as a histogram
SELECT time_in_hospital AS days, COUNT(*) AS n FROM encounters GROUP BY days ORDER BY days;

-- # Lower and upper case
SELECT UPPER(LEFT(medical_specialty, 3)) AS code, COUNT(*) AS n FROM encounters GROUP BY code;

-- # Sex and race with totals
SELECT gender, race, COUNT(*) AS n FROM encounters GROUP BY CUBE (gender, race);
