-- # 各省企业数
SELECT 省份, COUNT(*) AS 企业数 FROM 公司 GROUP BY 省份 ORDER BY 企业数 DESC;

-- # 各行业平均员工人数
SELECT 行业, AVG(员工人数) AS 平均人数 FROM 公司 GROUP BY 行业;

-- # 高新企业占比
SELECT 省份, AVG(CASE WHEN 是否高新 THEN 1 ELSE 0 END) AS 占比 FROM 公司 GROUP BY 省份;

-- # 注册资本合计与中位数
SELECT SUM(注册资本) AS 合计, MEDIAN(注册资本) AS 中位数 FROM 公司;

-- # 成立年份分布
SELECT YEAR(成立日期) AS 年份, COUNT(*) AS 企业数 FROM 公司 GROUP BY 年份 ORDER BY 年份;

-- # 按规模分组
SELECT CASE WHEN 员工人数 < 300 THEN '小型' WHEN 员工人数 < 1000 THEN '中型' ELSE '大型' END AS 规模, COUNT(*) AS 企业数, SUM(注册资本) AS 资本 FROM 公司 GROUP BY 规模;

-- # 专利最多的分类
SELECT 分类号, COUNT(*) AS 件数 FROM 专利 GROUP BY 分类号 ORDER BY 件数 DESC LIMIT 10;

-- # 专利按大类
SELECT LEFT(分类号, 1) AS 部, COUNT(*) AS 件数 FROM 专利 GROUP BY 部 ORDER BY 部;

-- # 授权率
SELECT AVG(CASE WHEN 授权 THEN 1.0 ELSE 0.0 END) AS 授权率 FROM 专利 WHERE 申请日 >= '2015-01-01';

-- # 各行业专利数
SELECT c.行业, COUNT(*) AS 件数, COUNT(DISTINCT c.信用代码) AS 企业数 FROM 专利 p JOIN 公司 c ON p.信用代码 = c.信用代码 GROUP BY c.行业;

-- # 没有专利的企业
SELECT 行业, COUNT(*) AS 企业数 FROM 公司 WHERE 信用代码 NOT IN (SELECT 信用代码 FROM 专利) GROUP BY 行业;

-- # 每家企业的专利数
SELECT AVG(件数) AS 平均, STDDEV(件数) AS 标准差 FROM (SELECT 信用代码, COUNT(*) AS 件数 FROM 专利 GROUP BY 信用代码) t;

-- # 各级城市的企业
SELECT d.级别, COUNT(*) AS 企业数 FROM 公司 c JOIN 行政区划 d ON c.城市 = d.城市 GROUP BY d.级别;

-- # 各省城市数
SELECT 省份, COUNT(*) AS 城市数 FROM 行政区划 GROUP BY 省份 ORDER BY 城市数 DESC;

-- # 名称含“州”的城市的企业
SELECT 城市, COUNT(*) AS 企业数 FROM 公司 WHERE 城市 LIKE '%州%' GROUP BY 城市;

-- # 专利申请按季度
SELECT DATE_TRUNC('quarter', 申请日) AS 季度, COUNT(*) AS 件数 FROM 专利 GROUP BY 季度 ORDER BY 季度;

-- # 资本与人数的相关
SELECT CORR(注册资本, 员工人数) AS 相关系数 FROM 公司;

-- # 人均注册资本
SELECT 行业, SUM(注册资本) / SUM(员工人数) AS 人均 FROM 公司 GROUP BY 行业 ORDER BY 人均 DESC;

-- # 企业年龄
SELECT AVG(2024 - YEAR(成立日期)) AS 平均年龄 FROM 公司;

-- # 行业内按省份排名
SELECT 行业, 省份, COUNT(*) AS n, RANK() OVER (PARTITION BY 行业 ORDER BY COUNT(*) DESC) AS 名次 FROM 公司 GROUP BY 行业, 省份;
